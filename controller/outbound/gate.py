"""The gate: whether somebody may be called, now, for this purpose, and what it may cost. Pure.

What is asked, in this order; the first that says no decides: is calling out allowed at all; can the number be read,
and is there such a number; is its country allowed, then its kind; is the caller id one of ours, and fit to be shown;
does the person want to be called; the rules of the purpose (consent, silence after a refusal, frequency, hours);
what it costs. Every refusal says what to do, and which rule it comes from.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from controller.hours import zones as known_zones
from controller.numbering.model import NotANumber, Number, NumberFacts, NumberKind
from controller.numbering.numbers import understand
from controller.outbound.model import OutboundAsk, OutboundRules, Purpose, Usage, Verdict
from controller.outbound.national import NationalRules, PurposeRules, WindowsRule, national_rules

_MAX_ROUNDS = 60  # windows of so many zones take that many looks at most to find an hour they share
_NONE = PurposeRules()


def judge(rules: OutboundRules, ask: OutboundAsk, usage: Usage, now: datetime) -> Verdict:
    """Return the verdict on one call. `now` is aware UTC; never raises for what people write."""
    found = recognise(rules, ask)
    if isinstance(found, Verdict):
        return found
    return (
        _caller_id_fault(rules, ask, found)
        or _opposition(found, ask, usage, now)
        or _purpose_fault(rules, found, ask, usage, now)
        or _priced(rules, ask, found, usage)
    )


def recognise(rules: OutboundRules, ask: OutboundAsk) -> NumberFacts | Verdict:
    """Return which number is asked for, if the centre calls numbers of its country and kind; else the refusal."""
    if rules.off:
        return Verdict(
            False,
            "off",
            "this centre makes no outbound calls",
            "write an outbound: section into centre.yaml, or set its off: to false",
            rule="outbound: of centre.yaml",
        )
    found = understand(ask.number, ask.country or rules.country)
    if isinstance(found, NotANumber):
        return Verdict(False, found.code, found.message, found.advice, rule="numbering plan")
    if found.country not in rules.countries:
        where = found.country or "no country (satellite and other worldwide numbers)"
        advice = "give a number of another country"
        if found.country:
            advice += f", or add {found.country} to outbound: countries: in centre.yaml"
        return _no(
            found,
            "country",
            f"numbers of {where} are not called from here",
            advice,
            "outbound: countries: of centre.yaml",
        )
    if not _kind_allowed(rules, found.kind):
        return _no(
            found,
            "kind",
            f"{_KIND_WORDS[found.kind]} are not called from here",
            "give an ordinary fixed or mobile number",
            "outbound: kinds: of centre.yaml",
        )
    if found.number in rules.owned:
        return _no(
            found,
            "own_number",
            "this is one of the centre's own numbers",
            "give the customer's",
            "numbers: of centre.yaml",
        )
    return found


def _kind_allowed(rules: OutboundRules, kind: NumberKind) -> bool:
    if kind is NumberKind.FIXED_OR_MOBILE:
        return {NumberKind.FIXED, NumberKind.MOBILE} <= rules.kinds
    return kind in rules.kinds


def _caller_id_fault(rules: OutboundRules, ask: OutboundAsk, facts: NumberFacts) -> Verdict | None:
    shown = caller_id_of(rules, ask)
    if shown is None:
        what = "no caller id is set" if not ask.caller_id else "the caller id is none of the centre's numbers"
        return _no(
            facts,
            "caller_id",
            what,
            "use one of numbers: in centre.yaml, as outbound: caller_id",
            "owned numbers only",
        )
    own = understand(shown, rules.country)
    national = national_rules(rules.country)
    if national is not None and (isinstance(own, NotANumber) or own.kind in national.caller_id.refused):
        return _no(
            facts,
            "caller_id",
            f"calls of a call centre may not show {shown}",
            "use a geographic number (01 to 05) or one that begins with 09",
            f"{national.name} caller id ({national.caller_id.law})",
        )
    return None


def caller_id_of(rules: OutboundRules, ask: OutboundAsk) -> Number | None:
    """Return the number that a call shows; None when it is none of the centre's own."""
    if not ask.caller_id:
        return rules.caller_id if rules.caller_id in rules.owned else None
    own = understand(ask.caller_id, rules.country)
    return own.number if isinstance(own, NumberFacts) and own.number in rules.owned else None


def _opposition(facts: NumberFacts, ask: OutboundAsk, usage: Usage, now: datetime) -> Verdict | None:
    asked_at = ask.asked_at or now
    asked_since = (
        ask.purpose is Purpose.REQUESTED and usage.silent_since is not None and asked_at > usage.silent_since
    )
    if not usage.opted_out and (usage.silent_since is None or asked_since):
        return None
    national = national_rules(facts.country)
    law = f" ({national.opposition.law})" if national is not None else ""
    return _no(
        facts,
        "opted_out",
        "this person does not want to be called",
        "do not call; only the person can change that",
        f"opt-out list{law}",
    )


def _purpose_fault(
    rules: OutboundRules, facts: NumberFacts, ask: OutboundAsk, usage: Usage, now: datetime
) -> Verdict | None:
    if ask.purpose is Purpose.INTERNAL:
        if facts.number in rules.staff:
            return None
        return _no(
            facts,
            "purpose",
            "internal calls go to the centre's own people, and this number is none of theirs",
            "give another purpose, or add the number to outbound: staff: in centre.yaml",
            "outbound: staff: of centre.yaml",
        )
    national = national_rules(facts.country)
    if national is None:
        return _without_rules(facts, ask)
    asked = _asked_of(national, ask.purpose)
    name = f"{national.name} {ask.purpose.value}"
    if asked.consent is not None and not ask.consent:
        return _no(
            facts,
            "consent",
            "there is no recorded consent of this person to be called for this",
            "record the consent first, with what was shown and when",
            f"{name} consent ({asked.consent.law})",
        )
    clocks = _clocks(facts, ask, national.zone or rules.zone)
    return _silence(facts, asked, usage, now, clocks, name, national) or _frequency_or_window(
        facts, asked, usage, now, clocks, name, national
    )


def _without_rules(facts: NumberFacts, ask: OutboundAsk) -> Verdict | None:
    if ask.purpose is Purpose.PROSPECTING:
        return _no(
            facts,
            "purpose",
            f"what the law of {facts.country} asks of prospecting is not known here",
            "do not sell by telephone there",
            "national rules",
        )
    if ask.purpose is Purpose.REQUESTED and not ask.consent:
        return _no(
            facts,
            "consent",
            "there is no proof that this person asked to be called",
            "record the consent first, with what was shown and when",
            "requested calls keep their proof",
        )
    return None


def _asked_of(national: NationalRules, purpose: Purpose) -> PurposeRules:
    if purpose is Purpose.PROSPECTING:
        return national.prospecting
    if purpose is Purpose.REQUESTED:
        return national.requested
    return national.service if purpose is Purpose.SERVICE else _NONE


def _clocks(facts: NumberFacts, ask: OutboundAsk, fallback: str) -> tuple[str, ...]:
    """Return the zones the person may be in: the one they said if it is the number's, else that and those."""
    told = tuple(zone for zone in facts.zones if zone in known_zones()) or (fallback,)
    if ask.zone not in known_zones():
        return told
    return (ask.zone,) if ask.zone in told else (ask.zone, *told)


def _silence(
    facts: NumberFacts,
    asked: PurposeRules,
    usage: Usage,
    now: datetime,
    clocks: tuple[str, ...],
    name: str,
    national: NationalRules,
) -> Verdict | None:
    if asked.silence is None or usage.refused_at is None:
        return None
    over = max(_midnight_after(usage.refused_at, asked.silence.days + 1, zone) for zone in clocks)
    if now >= over:
        return None
    return _no(
        facts,
        "frequency",
        f"this person refused such calls less than {asked.silence.days} days ago",
        "do not call before",
        f"{name} silence after a refusal ({asked.silence.law})",
        _allowed_from(over, asked.windows, clocks, facts, national),
    )


def _frequency_or_window(
    facts: NumberFacts,
    asked: PurposeRules,
    usage: Usage,
    now: datetime,
    clocks: tuple[str, ...],
    name: str,
    national: NationalRules,
) -> Verdict | None:
    limit = asked.frequency
    if limit is not None and len(usage.recent) >= limit.calls:
        # The call that must have left the period before one more is allowed.
        eldest = sorted(usage.recent, reverse=True)[limit.calls - 1]
        frees = max(_midnight_after(eldest, limit.days, zone) for zone in clocks)
        if now < frees:
            return _no(
                facts,
                "frequency",
                f"this person was called {limit.calls} times within {limit.days} days",
                "do not call before",
                f"{name} frequency ({limit.law})",
                _allowed_from(frees, asked.windows, clocks, facts, national),
            )
    opens = _allowed_from(now, asked.windows, clocks, facts, national)
    if asked.windows is None or opens == now:
        return None
    return _no(
        facts,
        "window",
        "people may not be called for this at this time",
        "call in the allowed hours of the person's own clock",
        f"{name} window ({asked.windows.law})",
        opens,
    )


def _midnight_after(at: datetime, days: int, zone: str) -> datetime:
    """Return the beginning of the local day that is `days` after the one of `at`, in UTC."""
    day = at.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _allowed_from(
    at: datetime, windows: WindowsRule | None, clocks: tuple[str, ...], facts: NumberFacts, national: NationalRules
) -> datetime | None:
    """Return `at`, or when the hours allow it next in all zones; None when that is nowhere near."""
    if windows is None:
        return at
    calendars = [national.calendar(windows, zone, facts.country) for zone in clocks]
    for _ in range(_MAX_ROUNDS):
        if all(calendar.is_open(at) for calendar in calendars):
            return at
        opens = [calendar.next_open(at) for calendar in calendars]
        times = [each for each in opens if each is not None]
        if len(times) < len(opens):
            return None
        at = max(times)
    return None


def _priced(rules: OutboundRules, ask: OutboundAsk, facts: NumberFacts, usage: Usage) -> Verdict:
    tariff = rules.tariffs.of(facts)
    if tariff is None:
        return _no(
            facts,
            "cost",
            f"the tariff table does not say what a call to {facts.country} {facts.kind.value} costs",
            "add it to outbound: tariffs: in centre.yaml",
            "outbound: tariffs: of centre.yaml",
        )
    cost = tariff.cost(max(ask.expected_s, 1.0))
    limits = rules.ceilings
    if usage.calls_number_day >= limits.calls:
        return _no(
            facts,
            "frequency",
            f"this number was called {limits.calls} times in a day",
            "try tomorrow, or raise outbound: ceilings: calls: in centre.yaml",
            "outbound: ceilings: calls: of centre.yaml",
            usage.number_frees_at,
        )
    for name, spent, ceiling, frees in (
        ("hour", usage.spent_hour, limits.hour, usage.hour_frees_at),
        ("day", usage.spent_day, limits.day, usage.day_frees_at),
        ("number", usage.spent_number_day, limits.number, usage.number_frees_at),
    ):
        if spent + cost > ceiling + 1e-9:
            whose = "calls to this number of a day" if name == "number" else f"all calls of one {name}"
            return msgspec.structs.replace(
                _no(
                    facts,
                    "cost",
                    f"{whose} may cost {ceiling:g} {rules.tariffs.currency}, and this one would exceed it",
                    f"call later, or raise outbound: ceilings: {name}: in centre.yaml",
                    f"outbound: ceilings: {name}: of centre.yaml",
                    frees,
                ),
                rate_per_min=tariff.per_min,
                cost=cost,
            )
    shown = caller_id_of(rules, ask)
    return Verdict(
        True,
        facts=facts,
        caller_id=shown or "",
        rate_per_min=tariff.per_min,
        cost=cost,
        tariff=tariff,
        currency=rules.tariffs.currency,
    )


def _no(
    facts: NumberFacts, code: str, message: str, advice: str, rule: str, not_before: datetime | None = None
) -> Verdict:
    return Verdict(False, code, message, advice, facts, not_before=not_before, rule=rule)


_KIND_WORDS = {
    NumberKind.FIXED: "fixed numbers",
    NumberKind.MOBILE: "mobile numbers",
    NumberKind.FIXED_OR_MOBILE: "numbers that may be fixed or mobile",
    NumberKind.VOIP: "internet numbers",
    NumberKind.FREE: "free numbers",
    NumberKind.SHARED_COST: "numbers of shared cost",
    NumberKind.PREMIUM: "premium numbers",
    NumberKind.PERSONAL: "personal numbers",
    NumberKind.PAGER: "pagers",
    NumberKind.COMPANY: "companies' universal numbers",
    NumberKind.VOICEMAIL: "mailboxes",
    NumberKind.SHORT: "short numbers",
    NumberKind.EMERGENCY: "emergency numbers",
    NumberKind.SATELLITE: "satellite and worldwide numbers",
    NumberKind.PLATFORM: "numbers of automated systems",
    NumberKind.UNKNOWN: "numbers of an unknown kind",
}
