"""How calls outside are written in centre.yaml.

::

    outbound:
      caller_id: "+33 3 53 01 47 00"          # what calls show that ask for nothing else; one of numbers:
      countries: [FR]
      kinds: [fixed, mobile, voip]
      staff: ["+33 6 39 98 00 01"]            # our own people, for calls with the purpose `internal`
      ceilings: {hour: 20, day: 100, number: 5, calls: 20}
      currency: EUR
      tariffs:
        FR: {per_min: 0.012}
        FR mobile: {per_min: 0.035, step: 1s}
      classes:
        free: {caller: nothing, company: {per_min: 0.03}}
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import phonenumbers

from controller.flow.findings import Mark, clipped, did_you_mean
from controller.flow.kinds import Duration, Flag, Integer, ListOf, MapOf, Nested, Pattern, Text, Word
from controller.flow.reading import BAD, Bad, Context, Kind, as_text, read_struct, schema_of
from controller.flow.yamltext import ListNode, MapNode, Node
from controller.numbering.model import NumberFacts, NumberKind
from controller.numbering.numbers import understand
from controller.numbering.tariffs import DESTINATION, Tariff, TariffClass, package_tariffs
from controller.outbound.model import ALLOWABLE_KINDS, Ceilings, Number, OutboundRules

TARIFF_CLASS = r"[a-z][a-z0-9_-]{0,31}"
_COUNTRIES = tuple(sorted(phonenumbers.SUPPORTED_REGIONS))


class Amount(Kind):
    """An amount of money, `12` or `0.035`, from 0 to a million."""

    _form = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "an amount such as 0.035")
        if text is None:
            return BAD
        if self._form.fullmatch(text.text):
            return float(text.text)
        hint = f"write {text.text.replace(',', '.')}" if self._form.fullmatch(text.text.replace(",", ".")) else ""
        message = f"'{path[-1]}' must be an amount such as 20 or 0.035, not '{clipped(text.text, 40)}'"
        ctx.findings.error(text.mark, "amount", message, hint)
        return BAD

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 999_999}


class CallableKind(Kind):
    """A kind of number that may be called; the others never may."""

    _words = Word(*(kind.value for kind in ALLOWABLE_KINDS))

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        text = as_text(node, ctx, "a kind of number such as mobile")
        if text is None:
            return BAD
        if text.text in {kind.value for kind in NumberKind} - {kind.value for kind in ALLOWABLE_KINDS}:
            message = f"numbers of the kind '{text.text}' are never called, whatever stands here"
            hint = "write fixed and mobile" if text.text == NumberKind.FIXED_OR_MOBILE else "delete it"
            ctx.findings.error(text.mark, "number-kind", message, hint)
            return BAD
        word = self._words.read(text, ctx, path)
        return word if isinstance(word, Bad) else NumberKind(word)

    def schema(self) -> dict[str, Any]:
        return self._words.schema()


class TariffFile(msgspec.Struct, frozen=True):
    """What a call costs that was answered."""

    per_min: Annotated[float, Amount()]
    connection: Annotated[float, Amount()] = 0.0
    step_s: Annotated[float, Duration(1, 3600)] = 1.0
    least_s: Annotated[float, Duration(0, 3600)] = 0.0


class ClassFile(msgspec.Struct, frozen=True):
    """Who pays for calls to our numbers of one tariff class."""

    company: Annotated[TariffFile, Nested(TariffFile)]
    caller: Annotated[str, Text(80)] = ""


class CeilingsFile(msgspec.Struct, frozen=True):
    """What calls outside may cost at most, and how often one number is called in a day."""

    hour: Annotated[float, Amount()] = Ceilings().hour
    day: Annotated[float, Amount()] = Ceilings().day
    number: Annotated[float, Amount()] = Ceilings().number
    calls: Annotated[int, Integer(1, 1000)] = Ceilings().calls


class OutboundFile(msgspec.Struct, frozen=True):
    """The section `outbound:`."""

    off: Annotated[bool, Flag()] = False
    caller_id: Annotated[str, Text(40)] = ""
    countries: Annotated[tuple[str, ...], ListOf(Word(*_COUNTRIES), 1, 250)] = ()
    kinds: Annotated[tuple[NumberKind, ...], ListOf(CallableKind(), 1, len(ALLOWABLE_KINDS))] = (
        NumberKind.FIXED,
        NumberKind.MOBILE,
        NumberKind.VOIP,
    )
    staff: Annotated[tuple[str, ...], ListOf(Text(40), 1, 500)] = ()
    ceilings: Annotated[CeilingsFile, Nested(CeilingsFile)] = CeilingsFile()
    currency: Annotated[str, Pattern(r"[A-Z]{3}", "a currency such as EUR")] = package_tariffs().currency
    tariffs: Annotated[
        dict[str, TariffFile],
        MapOf(Nested(TariffFile), DESTINATION.pattern, "a destination: FR, FR mobile, or a prefix such as +3389"),
    ] = {}
    classes: Annotated[
        dict[str, ClassFile], MapOf(Nested(ClassFile), TARIFF_CLASS, "a tariff class such as free or shared")
    ] = {}


class OutboundDraft(msgspec.Struct, frozen=True):
    """The section as read. `marks`: where its keys and the items of its lists stand (`staff.1`)."""

    mark: Mark
    file: OutboundFile
    marks: dict[str, Mark]


class OutboundKind(Kind):
    """The section, with the places of what only the whole file can judge."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        file = read_struct(OutboundFile, node, ctx, path)
        if isinstance(file, Bad) or not isinstance(node, MapNode):
            return BAD
        marks: dict[str, Mark] = {}
        for key, (mark, value) in node.entries.items():
            marks[key] = mark
            if isinstance(value, ListNode):
                marks.update({f"{key}.{i}": item.mark for i, item in enumerate(value.items, start=1)})
            elif isinstance(value, MapNode):
                marks.update({f"{key}.{name}": place for name, (place, _) in value.entries.items()})
            else:
                marks[key] = value.mark
        return OutboundDraft(node.mark, file, marks)

    def schema(self) -> dict[str, Any]:
        return schema_of(OutboundFile)


def as_number(written: str, country: str) -> Number | None:
    """Return a number of the file in E.164; None for an extension, a code, or what is no number."""
    found = understand(written, country)
    return found.number if isinstance(found, NumberFacts) else None


def compile_outbound(draft: OutboundDraft | None, numbers: tuple[str, ...], country: str, zone: str) -> OutboundRules:
    """Return the rules of a section without errors; without a section nothing may be called.

    `numbers` are the centre's own, as written.
    """
    owned = frozenset(number for number in (as_number(each, country) for each in numbers) if number is not None)
    if draft is None:
        return OutboundRules(country=country, zone=zone, owned=owned)
    file = draft.file
    staff = (as_number(each, country) for each in file.staff)
    limits = file.ceilings
    return OutboundRules(
        off=file.off,
        country=country,
        zone=zone,
        caller_id=as_number(file.caller_id, country) or Number(""),
        owned=owned,
        staff=frozenset(number for number in staff if number is not None),
        countries=frozenset(file.countries or (country,)),
        kinds=frozenset(file.kinds),
        ceilings=Ceilings(limits.hour, limits.day, limits.number, limits.calls),
        tariffs=package_tariffs().with_own(
            file.currency,
            {destination: _tariff(each) for destination, each in file.tariffs.items()},
            {name: TariffClass(each.caller, _tariff(each.company)) for name, each in file.classes.items()},
        ),
    )


def _tariff(file: TariffFile) -> Tariff:
    return Tariff(file.per_min, file.connection, file.step_s, file.least_s)


def near_number(written: str, numbers: tuple[str, ...]) -> str:
    """Return a hint which of the centre's numbers is meant."""
    return did_you_mean(written, numbers) or "name one of numbers:"
