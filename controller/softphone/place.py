"""Places or takes one call by a script and reports it: what was pressed and heard, when, and how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from controller.softphone.call import Call
from controller.softphone.ear import Ear, HeardPrompt
from controller.softphone.phone import Phone
from controller.softphone.progress import CallState, EndedBy
from controller.softphone.script import Hangup, Hear, Press, Quiet, Script, Step, Wait
from controller.softphone.sound import Span, level_dbfs, sounding, steady_tone

_LOOK_S = 0.2
_LIVE_WINDOW_S = 40.0
_QUIET_S = 0.7
_DIGIT_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a call's story: `at_s` seconds after dialling.

    `kind` is dialled or called (we were), ringing, answered, heard, pressed, missed (a prompt waited for in vain) or
    ended.
    """

    at_s: float
    kind: str
    text: str
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class DigitAnswer:
    """A key press and the sound that followed it: `delay_s` from its end packet to the next prompt's first packet.

    Negative when the other side did not wait for the end of the press; None when no prompt began within ten
    seconds or before the next key.
    """

    digit: str
    at_s: float
    delay_s: float | None


@dataclass(frozen=True, slots=True)
class CallReport:
    """How a scripted call went. Times are seconds after dialling; `answered_s` is None when unanswered."""

    target: str
    answered_s: float | None
    duration_s: float
    ended_by: EndedBy | None
    status: int
    reason: str
    cause: int
    moments: tuple[Moment, ...]
    prompts: tuple[HeardPrompt, ...]
    unknown: tuple[Span, ...]
    digits: tuple[DigitAnswer, ...]
    level_dbfs: float
    packets: int
    sip_call_id: str
    complete: bool  # every step of the script was carried out

    def lines(self) -> list[str]:
        """Return the story as text, one line a moment."""
        return [f"{moment.at_s:7.2f} s  {moment.kind:<9} {moment.text}" for moment in self.moments]


async def place_call(
    script: Script,
    target: str,
    *,
    phone: Phone,
    ear: Ear | None = None,
    texts: Mapping[str, str] | None = None,
    ring_timeout_s: float = 30.0,
    max_s: float = 120.0,
    caller: str | None = None,
) -> CallReport:
    """Call `target`, carry out `script` and return the report; `phone` is open and stays open.

    `ear` knows the prompts that may be heard, `texts` what each says. When the script has no `hangup`, the
    call lasts until the other side ends it; after `max_s` we hang up. Raises what `Phone.call` raises.
    """
    call = await phone.call(target, ring_timeout_s=ring_timeout_s, caller=caller)
    return await go_through(script, call, target, ear=ear, texts=texts, max_s=max_s)


async def go_through(
    script: Script,
    call: Call,
    other: str,
    *,
    ear: Ear | None = None,
    texts: Mapping[str, str] | None = None,
    max_s: float = 120.0,
) -> CallReport:
    """Carry out `script` in a call that was answered (or not), ours or theirs, and return the report.

    `other` is the other side, as the report names it; the rest as for `place_call`.
    """
    missed: list[Moment] = []
    complete = call.state is CallState.ANSWERED
    try:
        async with asyncio.timeout(max_s):
            for step in script:
                if call.state is not CallState.ANSWERED:
                    complete = False
                    break
                await _carry_out(step, call, ear, missed)
            await call.wait_ended(max_s)
    except TimeoutError:
        complete = False
    finally:
        await call.hangup()
    return await _report(call, other, ear, texts or {}, missed, complete=complete)


async def _carry_out(step: Step, call: Call, ear: Ear | None, missed: list[Moment]) -> None:
    match step:
        case Press():
            await call.press(step.digits, method=step.method)
        case Wait():
            await call.wait_for(step.seconds)
        case Hear():
            if not await _wait_heard(step, call, ear):
                text = f"{step.pattern} was not heard within {step.timeout_s:g} s"
                missed.append(Moment(time.monotonic() - call.started_at, "missed", text))
        case Quiet():
            await _wait_quiet(step, call)
        case Hangup():
            await call.hangup()


async def _wait_heard(step: Hear, call: Call, ear: Ear | None) -> bool:
    """Listen for the prompts of `step` in what arrives from now on, and what is being said right now."""
    if ear is None:
        return False
    wanted = ear.only(lambda name: fnmatchcase(name, step.pattern))
    began = time.monotonic() - call.started_at
    from_s = max(0.0, began - _LIVE_WINDOW_S)
    until = began + step.timeout_s
    while (now := time.monotonic() - call.started_at) < until:
        prompts = await asyncio.to_thread(wanted.listen, call.heard.between(from_s))
        current = [prompt for prompt in prompts if from_s + prompt.end_s >= began - _LOOK_S]
        if any(prompt.complete or not step.to_end for prompt in current):
            return True
        if not await call.wait_for(min(_LOOK_S, until - now)):
            return False
    return False


async def _wait_quiet(step: Quiet, call: Call) -> None:
    began = time.monotonic() - call.started_at
    until = began + step.timeout_s
    while (now := time.monotonic() - call.started_at) < until:
        spans = sounding(call.heard.between(max(0.0, began - _QUIET_S)))
        if spans and max(0.0, began - _QUIET_S) + spans[-1].end_s < now - _QUIET_S:
            return
        if not await call.wait_for(_LOOK_S):
            return


def _not_a_prompt(call: Call, span: Span) -> str:
    hz = steady_tone(call.heard.between(span.start_s, span.end_s))
    what = "something unknown" if hz is None else f"a tone of {hz} Hz"
    return f"{what}, {span.duration_s:.1f} s"


async def _report(
    call: Call,
    target: str,
    ear: Ear | None,
    texts: Mapping[str, str],
    missed: list[Moment],
    *,
    complete: bool,
) -> CallReport:
    samples = call.heard.samples
    prompts = await asyncio.to_thread(ear.listen, samples) if ear is not None else []
    unknown = _unknown(call, prompts)
    zero = call.started_at
    digits = [_answered_digit(call, prompts, index) for index in range(len(call.digits))]
    moments = [Moment(0.0, "called" if call.incoming else "dialled", target), *missed]
    if call.ringing_at is not None:
        moments.append(Moment(call.ringing_at - zero, "ringing", ""))
    if call.answered_at is not None:
        moments.append(Moment(call.answered_at - zero, "answered", ""))
    moments += [Moment(p.start_s, "heard", _said(p, texts), p.end_s) for p in prompts]
    moments += [Moment(s.start_s, "heard", _not_a_prompt(call, s), s.end_s) for s in unknown]
    moments += [Moment(d.at_s, "pressed", _pressed(d)) for d in digits]
    if call.ended_at is not None:
        moments.append(Moment(call.ended_at - zero, "ended", _ended(call)))
    return CallReport(
        target=target,
        answered_s=None if call.answered_at is None else call.answered_at - zero,
        duration_s=call.duration_s,
        ended_by=call.ended_by,
        status=call.status,
        reason=call.reason,
        cause=call.cause,
        moments=tuple(sorted(moments, key=lambda moment: moment.at_s)),
        prompts=tuple(prompts),
        unknown=tuple(unknown),
        digits=tuple(digits),
        level_dbfs=level_dbfs(samples),
        packets=len(call.heard.packets),
        sip_call_id=call.dialog.call_id,
        complete=complete and not missed,
    )


def _unknown(call: Call, prompts: list[HeardPrompt]) -> list[Span]:
    """Return where something was said that is no known prompt (0.2 s and more)."""
    rest = call.heard.samples.copy()
    for prompt in prompts:
        rest[max(0, int(prompt.start_s * 8000)) : int(prompt.end_s * 8000)] = 0
    return [span for span in sounding(rest, threshold_dbfs=-45.0) if span.duration_s >= _LOOK_S]


def _answered_digit(call: Call, prompts: list[HeardPrompt], index: int) -> DigitAnswer:
    digit = call.digits[index]
    started_s, ended_s = digit.started_at - call.started_at, digit.ended_at - call.started_at
    following = call.digits[index + 1] if index + 1 < len(call.digits) else None
    limit = ended_s + _DIGIT_ANSWER_S
    if following is not None:
        limit = min(limit, following.ended_at - call.started_at)
    delays = [
        arrived - ended_s
        for prompt in prompts
        if (arrived := call.heard.arrival(max(0.0, prompt.start_s))) is not None and started_s <= arrived < limit
    ]
    return DigitAnswer(digit.digit, digit.started_at - call.started_at, min(delays, default=None))


def _said(prompt: HeardPrompt, texts: Mapping[str, str]) -> str:
    text = texts.get(prompt.name, "")
    said = f"{prompt.name}: {text}" if text else prompt.name
    return said if prompt.complete else f"{said} (cut after {prompt.end_s - prompt.start_s:.1f} s)"


def _pressed(digit: DigitAnswer) -> str:
    if digit.delay_s is None:
        return digit.digit
    return f"{digit.digit} (answered after {digit.delay_s * 1000:.0f} ms)"


def _ended(call: Call) -> str:
    who = {
        EndedBy.LOCAL: "we hung up",
        EndedBy.REMOTE: "the other side hung up" if call.answered_at else "the other side refused",
        EndedBy.TIMEOUT: "no answer",
    }[call.ended_by or EndedBy.TIMEOUT]
    status = f", status {call.status} {call.reason}".rstrip() if call.status >= 300 else ""  # noqa: PLR2004
    cause = f", cause {call.cause}" if call.cause else ""
    return f"{who}{status}{cause}"
