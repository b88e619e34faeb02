"""Prompts: what a caller hears, per language; recorded files, texts to synthesise, and values spoken from fragments.

Texts are synthesised when a flow is released, never while a caller waits; so a text holds no variables. A prompt with
values is a list of parts: `[{file: solde}, {amount: solde, currency: EUR}]`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec

from controller.flow import spoken
from controller.flow.commands import MediaId
from controller.flow.findings import Mark, clipped, did_you_mean
from controller.flow.kinds import Duration, Text, valid_name
from controller.flow.reading import BAD, Bad, Context, Expr, Kind, Use, as_text, read_struct
from controller.flow.yamltext import ListNode, MapNode, Node, TextNode

LANGUAGES = tuple(spoken.FRAGMENTS)
MAX_TEXT = 1000
MAX_PARTS = 30
_RECORDING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*){0,4}")
_SLUG_LENGTH = 32
_CHARACTERS_PER_S = 14.0
"""Speaking rate of the synthesised voices, for the estimate of a prompt's length."""
_RECORDING_S = 5.0
_VALUE_S = 2.5


def tts_id(language: str, text: str) -> MediaId:
    """Return the id of `text` spoken in `language`: `<lang>/tts/<slug>.<hash>`.

    The hash is over language and text, its blanks and Unicode form normalised: the same words are synthesised once.
    """
    words = normalised(text)
    ascii_words = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_words)[:_SLUG_LENGTH].strip("-") or "text"
    digest = hashlib.sha256(f"{language}\0{words}".encode()).hexdigest()[:10]
    return f"{language}/tts/{slug}.{digest}"


def normalised(text: str) -> str:
    """Return `text` as it is synthesised: NFC, single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class SpokenValue(msgspec.Struct, frozen=True):
    """A part of a prompt that is spoken from the value of an expression."""

    kind: str
    expr: Expr
    currency: str = ""


class Silence(msgspec.Struct, frozen=True):
    """A pause."""

    silence_s: Annotated[float, Duration(0.05, 10)]


class File(msgspec.Struct, frozen=True):
    """A recording: a path below prompts/<lang>/, without its extension."""

    file: Annotated[str, Text(200)]


Segment = tuple[MediaId, ...] | SpokenValue


class Prompt(msgspec.Struct, frozen=True):
    """A prompt in every language it has. `fixed` holds, per language, all of it if no part is spoken from a value."""

    name: str
    mark: Mark
    segments: dict[str, tuple[Segment, ...]]
    fixed: dict[str, tuple[MediaId, ...]]
    texts: tuple[tuple[str, str, MediaId], ...]
    seconds: dict[str, float]

    def media(self, language: str, evaluate: Callable[[Expr], Any]) -> tuple[MediaId, ...]:
        """Return what is played in `language`; raise `EvaluationError`, or `ValueError` for what cannot be spoken."""
        fixed = self.fixed.get(language)
        if fixed is not None:
            return fixed
        media: list[MediaId] = []
        for segment in self.segments[language]:
            if isinstance(segment, SpokenValue):
                fragments = speak(segment.kind, evaluate(segment.expr), language, segment.currency)
                media += (f"say/{language}/{fragment}" for fragment in fragments)
            else:
                media += segment
        return tuple(media)


def speak(kind: str, value: Any, language: str, currency: str = "") -> tuple[str, ...]:
    """Return the fragments that speak `value` as a number, digits, phone, amount, date (ISO) or time (HH:MM).

    Raises `ValueError` without quoting the value, which may be secret.
    """
    try:
        return _SPEAKERS[kind](value, language, currency)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        raise ValueError(f"a value that cannot be spoken as {kind}") from None


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")  # noqa: TRY004 - all that cannot be spoken is a ValueError
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not a number")
    return number


_SPEAKERS: dict[str, Callable[[Any, str, str], tuple[str, ...]]] = {
    "number": lambda value, language, _: spoken.say_number(_number(value), language),
    "digits": lambda value, language, _: spoken.say_digits(str(value), language),
    "phone": lambda value, language, _: spoken.say_phone(str(value), language),
    "amount": lambda value, language, currency: spoken.say_amount(_decimal(value), currency, language),
    "date": lambda value, language, _: spoken.say_date(date.fromisoformat(str(value)[:10]), language),
    "time": lambda value, language, _: spoken.say_time(time.fromisoformat(str(value).rpartition("T")[2]), language),
}


def _number(value: Any) -> float | Decimal:
    number = _decimal(value)
    return float(value) if isinstance(value, float) else number


class _Draft:
    """One prompt in one language while it is read."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.segments: list[Segment] = []
        self.texts: list[tuple[str, str, MediaId]] = []
        self.seconds = 0.0

    def add(self, media: MediaId, seconds: float) -> None:
        if self.segments and isinstance(self.segments[-1], tuple):
            self.segments[-1] = (*self.segments[-1], media)
        else:
            self.segments.append((media,))
        self.seconds += seconds


class PromptSpec(Kind):
    """One prompt: language → text, `{file: …}`, or a list of parts."""

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if not isinstance(node, MapNode) or not node.entries:
            message = f"the prompt '{clipped(path[-1], 60)}' names no language"
            ctx.findings.error(node.mark, "structure", message, f"write {{{LANGUAGES[0]}: …}}")
            return BAD
        drafts: dict[str, _Draft] = {}
        good = True
        for language, (mark, spec) in node.entries.items():
            if language not in LANGUAGES:
                message = f"there is no language '{clipped(language, 20)}'"
                ctx.findings.error(mark, "language", message, did_you_mean(language, LANGUAGES))
                good = False
                continue
            draft = drafts[language] = _Draft(language)
            parts = spec.items if isinstance(spec, ListNode) else (spec,)
            if not 1 <= len(parts) <= MAX_PARTS:
                ctx.findings.error(spec.mark, "length", f"a prompt has 1 to {MAX_PARTS} parts")
                good = False
            for part in parts[:MAX_PARTS]:
                good = self._part(part, draft, ctx) and good
        return self._finished(path[-1], node.mark, drafts) if good else BAD

    def _part(self, node: Node, draft: _Draft, ctx: Context) -> bool:
        if not isinstance(node, MapNode):
            return self._text(node, draft, ctx)
        for kind in _SPEAKERS:
            if kind in node.entries:
                return self._value(kind, node, draft, ctx)
        if "silence" in node.entries:
            silence = read_struct(Silence, node, ctx)
            if isinstance(silence, Bad):
                return False
            draft.add(f"silence/{round(silence.silence_s * 1000)}", silence.silence_s)
            return True
        return self._file(node, draft, ctx)

    def _text(self, node: Node, draft: _Draft, ctx: Context) -> bool:
        text = as_text(node, ctx, "a text")
        if text is None:
            return False
        if "${" in text.text:
            message = "a spoken text holds no ${…}: it is synthesised before any call"
            ctx.findings.error(text.mark, "text-variable", message, 'write parts: ["text", {number: name}, "text"]')
            return False
        words = normalised(text.text)
        if len(words) > MAX_TEXT:
            ctx.findings.error(text.mark, "length", f"a text has at most {MAX_TEXT} characters, not {len(words)}")
            return False
        if not words.isprintable():
            ctx.findings.error(text.mark, "characters", "a text to speak holds no control characters", "delete them")
            return False
        media = tts_id(draft.language, words)
        draft.texts.append((draft.language, words, media))
        draft.add(media, len(words) / _CHARACTERS_PER_S)
        return True

    def _file(self, node: MapNode, draft: _Draft, ctx: Context) -> bool:
        known = ("file", "silence", *_SPEAKERS)
        if "file" not in node.entries:
            message = f"a part of a prompt is a text or has one of {', '.join(known)}"
            first = next(iter(node.entries), "")
            ctx.findings.error(node.mark, "prompt-part", message, did_you_mean(first, known))
            return False
        file = read_struct(File, node, ctx)
        if isinstance(file, Bad):
            return False
        mark = node.entries["file"][1].mark
        if not _RECORDING.fullmatch(file.file) or file.file.startswith("tts/"):
            stem = re.sub(r"\.(wav|flac|ogg|opus|mp3|alaw|ulaw|gsm|g722|sln\d*)$", "", file.file)
            hint = f"write {{file: {stem}}}" if _RECORDING.fullmatch(stem) else "letters, digits, _ - and / only"
            message = f"'{clipped(file.file, 60)}' is not a recording below prompts/{draft.language}/"
            ctx.findings.error(mark, "recording-path", message, hint)
            return False
        media = f"{draft.language}/{file.file}"
        ctx.recordings.append((media, mark))
        draft.add(media, _RECORDING_S)
        return True

    def _value(self, kind: str, node: MapNode, draft: _Draft, ctx: Context) -> bool:
        allowed = {kind, "currency"} if kind == "amount" else {kind}
        good = True
        for key, (mark, _) in node.entries.items():
            if key not in allowed:
                hint = did_you_mean(key, allowed)
                ctx.findings.error(mark, "unknown-key", f"there is no key '{clipped(key, 60)}' here", hint)
                good = False
        text = as_text(node.entries[kind][1], ctx, "a variable or an expression")
        if text is None:
            return False
        currency = "EUR"
        if "currency" in node.entries:
            written = node.entries["currency"][1]
            currency = written.text if isinstance(written, TextNode) else ""
            if currency not in spoken.CURRENCIES:
                message = f"no currency '{clipped(currency, 20)}' can be spoken"
                ctx.findings.error(written.mark, "currency", message, did_you_mean(currency, spoken.CURRENCIES))
                good = False
        expr = ctx.expression(text)
        ctx.uses.append(Use("prompt", expr, text.mark, ctx.step))
        draft.segments.append(SpokenValue(kind, expr, currency if kind == "amount" else ""))
        draft.seconds += _VALUE_S
        return good

    @staticmethod
    def _finished(name: str, mark: Mark, drafts: dict[str, _Draft]) -> Prompt:
        segments = {language: tuple(draft.segments) for language, draft in drafts.items()}
        fixed = {
            language: parts[0]
            for language, parts in segments.items()
            if len(parts) == 1 and isinstance(parts[0], tuple)
        }
        texts = tuple(text for draft in drafts.values() for text in draft.texts)
        seconds = {language: draft.seconds for language, draft in drafts.items()}
        return Prompt(name, mark, segments, fixed, texts, seconds)

    def schema(self) -> dict[str, Any]:
        values: list[dict[str, Any]] = [
            {
                "type": "object",
                "properties": {kind: {"type": ["string", "number"]}, "currency": {"enum": list(spoken.CURRENCIES)}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in _SPEAKERS
        ]
        part = {
            "anyOf": [
                {"type": "string", "maxLength": MAX_TEXT},
                _one_key("file", {"type": "string", "pattern": f"^{_RECORDING.pattern}$"}),
                _one_key("silence", {"type": "string"}),
                *values,
            ]
        }
        spec = {"anyOf": [part, {"type": "array", "items": part, "minItems": 1, "maxItems": MAX_PARTS}]}
        return {
            "type": "object",
            "properties": dict.fromkeys(LANGUAGES, spec),
            "additionalProperties": False,
            "minProperties": 1,
        }


def _one_key(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}


class PromptTable(Kind):
    """Prompts by name. Where the same name appears in a flow and in the centre, the flow's counts."""

    def __init__(self) -> None:
        self.spec = PromptSpec()

    def read(self, node: Node, ctx: Context, path: tuple[str, ...]) -> Any:
        if not isinstance(node, MapNode):
            ctx.findings.error(node.mark, "structure", "'prompts' must be a mapping (name: prompt)")
            return BAD
        prompts: dict[str, Prompt | None] = {}
        for name, (mark, spec) in node.entries.items():
            if valid_name(TextNode(mark, name), ctx):
                prompt = self.spec.read(spec, ctx, (*path, name))
                prompts[name] = None if isinstance(prompt, Bad) else prompt
        return prompts

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.spec.schema()}
