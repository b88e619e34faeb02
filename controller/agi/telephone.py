"""A caller's end over FastAGI: performs the flow's commands one after the other."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, assert_never

from controller.agi.protocol import Response
from controller.agi.session import AgiSession
from controller.errors import ConfigError
from controller.flow.causes import outcome_of
from controller.flow.commands import (
    AgentAct,
    Answer,
    Answered,
    AskCallback,
    CancelCallback,
    ChangeCallback,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    Enqueue,
    Event,
    Failed,
    FindCallback,
    Hangup,
    HearMessage,
    HungUp,
    KeepMessage,
    ListMessages,
    ListSlots,
    Lookup,
    MediaId,
    OptOut,
    Play,
    Played,
    Record,
    TreatMessage,
)
from controller.flow.digits import DigitCollector
from controller.ids import CallId, derived_id
from controller.ports import AudioLibrary, Clock, LegObserver

LIMITS: Final = {
    "survive_controller": "when the controller dies Asterisk stops the prompt and goes on in the dialplan with"
    " AGISTATUS=SUCCESS: the call is taken up again only if the dialplan offers it again",
    "digits_between_commands": "a digit that ends while no command runs is dropped by Asterisk: during an http step,"
    " and in the few hundred microseconds between two commands",
    "digits_in_uninterruptible": "digits pressed in a prompt with bargein: false are dropped, also for a later step",
    "stop_prompt": "only a digit or a hang-up ends a prompt: nothing else can reach the channel meanwhile",
    "leg_events": "a dialled leg has no channel id of its own here, and without an answered hook in the dialplan"
    " nobody knows when it answered",
}
"""What FastAGI cannot do and the ARI driver can, with the reason."""

KEYS: Final = "0123456789*#ABCD"
_ENDPOINT = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}/[A-Za-z0-9][A-Za-z0-9_.@:+-]{0,127}(?:/n)?\Z")
_HOOK = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_EPOCH = re.compile(r"\d{9,11}(?:\.\d{1,6})?\Z")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9_.@;/:+-]{1,128}\Z")
_GRACE_S: Final = 10.0
_MAX_AHEAD: Final = 32
_NO_SUCH_APPLICATION: Final = -2
_NORMAL_CLEARING: Final = 16

EndpointFor = Callable[[str], str]
"""Returns the dial string (`PJSIP/101`) of an extension of the centre; raises `KeyError` if there is none."""

_BY_STATUS: Final = {
    "ANSWER": DialOutcome.TALKED,
    "BUSY": DialOutcome.BUSY,
    "NOANSWER": DialOutcome.NO_ANSWER,
    "DONTCALL": DialOutcome.REFUSED,
    "TORTURE": DialOutcome.REFUSED,
}


class AgiTelephone:
    """`controller.ports.Telephone` over one FastAGI session.

    Digits that stop an interruptible prompt are kept for the next `Collect`; while some wait, interruptible
    prompts are passed over. `answered_hook` names a dialplan context that notes when the dialled leg answered::

        exten => s,1,Set(SHARED(RAPPEL_ANSWERED,${ARG1})=${STRFTIME(,UTC,%s.%3q)})
         same => n,Return()

    Without one, `talk_s` includes the ringing. `LIMITS` says what FastAGI cannot do.
    """

    def __init__(
        self,
        session: AgiSession,
        *,
        channel_name: str,
        call_id: CallId,
        audio: AudioLibrary,
        legs: LegObserver,
        clock: Clock,
        endpoint_for: EndpointFor,
        answered_hook: str = "",
    ) -> None:
        if answered_hook and not _HOOK.match(answered_hook):
            raise ConfigError(f"{answered_hook!r} is no context name: use letters, digits, - and _")
        self._session = session
        self._call_id = call_id
        self._audio = audio
        self._legs = legs
        self._clock = clock
        self._endpoint_for = endpoint_for
        # Runs on the callee's channel with the caller's name, so that it can tell the caller's.
        name_is_plain = answered_hook and _CHANNEL_NAME.match(channel_name)
        self._hook_option = f"U({answered_hook}^{channel_name})" if name_is_plain else ""
        self._ahead: deque[str] = deque(maxlen=_MAX_AHEAD)
        self._gone: HungUp | None = None

    def switchboard(self) -> None:
        """Return None: FastAGI has one command at a time and one channel."""

    async def perform(self, command: Command) -> Event:  # noqa: PLR0911 - one for each command
        """Carry `command` out and report how it went; `AsteriskUnreachable` when the connection is lost."""
        if self._gone is not None:
            return self._gone
        match command:
            case Answer():
                return await self._answer()
            case Play():
                return await self._play(command)
            case Collect():
                return await self._collect(command)
            case Dial():
                return await self._dial(command)
            case Hangup():
                return await self._hang_up(command)
            case (
                Lookup()
                | FindCallback()
                | ListSlots()
                | AskCallback()
                | ChangeCallback()
                | CancelCallback()
                | OptOut()
            ):
                raise TypeError(f"{type(command).__name__} is for the calls layer, not for the telephone")
            case Enqueue() | Record() | KeepMessage() | AgentAct() | ListMessages() | HearMessage() | TreatMessage():
                return Failed(f"{type(command).__name__} needs ARI: let this number's flow run without FastAGI")
            case _:
                assert_never(command)

    # --- answer, play, hang up ----------------------------------------------------------------------------

    async def _answer(self) -> Event:
        response = await self._session.command("ANSWER")
        return await self._trouble(response, "Asterisk could not answer the channel") or Answered()

    async def _play(self, command: Play) -> Event:
        keys = KEYS if command.bargein else ""
        if command.bargein and self._ahead:
            return Played(interrupted=True)
        stopped = await self._stream(command.media, keys)
        if not isinstance(stopped, str):
            return stopped
        if stopped:
            self._ahead.append(stopped)
        return Played(interrupted=bool(stopped))

    async def _stream(self, media: tuple[MediaId, ...], keys: str) -> str | HungUp | Failed:
        """Play `media` and return the digit of `keys` that stopped it, or an empty string."""
        for piece in media:
            try:
                path, duration_s = self._audio.path(piece), self._audio.duration_s(piece)
            except KeyError:
                return Failed(f"no audio for {piece}: run rappel check on the centre")
            response = await self._session.command("STREAM FILE", path, keys, timeout_s=duration_s + _GRACE_S)
            trouble = await self._trouble(response, f"Asterisk cannot play {piece} ({path}): is the file there?")
            if trouble is not None:
                return trouble
            if response.result > 0:
                return chr(response.result)
        return ""

    async def _hang_up(self, command: Hangup) -> Event:
        # HANGUP itself takes no cause; the application does, and ends the channel as far as AGI is concerned.
        response = await self._session.command("EXEC Hangup", str(command.cause))
        gone = HungUp(command.cause) if not response.dead else HungUp(await self._cause())
        self._gone = gone
        self._session.close()
        return gone

    # --- digits -------------------------------------------------------------------------------------------

    async def _collect(self, command: Collect) -> Event:
        collector = DigitCollector(command.rules)
        if command.bargein:
            while self._ahead:
                if end := collector.press(self._ahead.popleft(), self._clock.monotonic()):
                    return Collected(collector.digits, end)
        if not collector.digits:
            # A leading end key is dropped by the rules, so it must not cut the prompt off either.
            keys = KEYS if command.rules.min == 0 else KEYS.replace(command.rules.end or "-", "")
            stopped = await self._stream(command.media, keys if command.bargein else "")
            if not isinstance(stopped, str):
                return stopped
            if not command.bargein:
                self._ahead.clear()
            if stopped and (end := collector.press(stopped, self._clock.monotonic())):
                return Collected(collector.digits, end)
        collector.prompt_done(self._clock.monotonic())
        return await self._wait_for_digits(collector)

    async def _wait_for_digits(self, collector: DigitCollector) -> Event:
        end: CollectEnd | None = None
        while end is None:  # bounded by the total clock, which runs by now
            now, deadline = self._clock.monotonic(), collector.deadline()
            if deadline is None or deadline <= now:
                end = collector.expire(now) or CollectEnd.TOTAL
                break
            wait_s = deadline - now
            response = await self._session.command(
                "WAIT FOR DIGIT", max(1, round(wait_s * 1000)), timeout_s=wait_s + _GRACE_S
            )
            trouble = await self._trouble(response, "Asterisk could not wait for a digit")
            if trouble is not None:
                return trouble
            now = self._clock.monotonic()
            # Asterisk's word that the time is over counts, even if our clock is a little behind.
            end = (
                collector.press(chr(response.result), now)
                if response.result
                else collector.expire(max(now, deadline))
            )
        return Collected(collector.digits, end)

    # --- dial ---------------------------------------------------------------------------------------------

    async def _dial(self, command: Dial) -> Event:
        try:
            endpoint = self._endpoint_for(command.extension)
        except KeyError:
            return Failed(f"extension {command.extension} does not exist: add it to centre.yaml")
        if not _ENDPOINT.match(endpoint):
            return Failed(f"the endpoint of extension {command.extension} is no plain Technology/name")
        # g: the caller comes back when the callee has hung up; i: no forwarding (302) by the callee;
        # L: Asterisk itself ends a conversation that lasts too long.
        options = f"giL({round(command.max_talk_s * 1000)}){self._hook_option}"
        leg = derived_id(self._call_id, "leg", command.number)
        started_at = self._clock.now()
        self._legs.leg_started(leg, endpoint, command.extension, started_at)
        limit_s = command.ring_s + command.max_talk_s + 2 * _GRACE_S
        response = await self._session.command(
            "EXEC Dial", f"{endpoint},{max(1, round(command.ring_s))},{options}", timeout_s=limit_s
        )
        ended_at = self._clock.now()
        self._ahead.clear()  # a new entry begins after a conversation
        if response.result == _NO_SUCH_APPLICATION:
            self._legs.leg_ended(leg, 0, "", ended_at, by_callee=False)
            return Failed("Asterisk has no Dial application: load app_dial.so")
        status = await self._variable("DIALSTATUS")
        cause = _number(await self._variable("HANGUPCAUSE"))
        talked_s = 0.0
        if status == "ANSWER":
            answered_at = await self._answered_at(started_at, ended_at)
            talked_s = (ended_at - answered_at).total_seconds()
            self._legs.leg_answered(leg, answered_at)
        trouble = await self._trouble(response, "Asterisk could not dial")
        by_callee = trouble is None and talked_s < command.max_talk_s
        self._legs.leg_ended(leg, cause, "", ended_at, by_callee=by_callee)
        if isinstance(trouble, HungUp):
            return HungUp(trouble.cause, talked_s)
        return trouble or Dialled(dialled_outcome(status, cause), cause, talked_s)

    async def _answered_at(self, started_at: datetime, ended_at: datetime) -> datetime:
        """Return when the leg answered, as the dialplan's hook noted it; without a hook, when it was dialled."""
        noted = ""
        if self._hook_option:
            noted = (await self._session.command("GET FULL VARIABLE", "${SHARED(RAPPEL_ANSWERED)}")).data
        if not _EPOCH.match(noted):
            return started_at
        return min(max(datetime.fromtimestamp(float(noted), UTC), started_at), ended_at)

    # --- the state of the channel -------------------------------------------------------------------------

    async def _trouble(self, response: Response, reason: str) -> HungUp | Failed | None:
        """Tell a caller who has gone from a command that failed: Asterisk answers -1 to both."""
        if response.code == 200 and response.result >= 0:  # noqa: PLR2004 - the protocol's own number
            return None
        cause = await self._cause()
        if self._session.hung_up:
            # A BYE that gives no reason is a normal clearing (RFC 3398, 8.2.7); Asterisk leaves such a cause out.
            self._gone = HungUp(cause or _NORMAL_CLEARING)
            return self._gone
        return Failed(reason)

    async def _cause(self) -> int:
        # Allowed on a dead channel, and answered after the hang-up notice if there is one.
        return _number(await self._variable("HANGUPCAUSE"))

    async def _variable(self, name: str) -> str:
        return (await self._session.command("GET VARIABLE", name)).data


def dialled_outcome(status: str, cause: int) -> DialOutcome:
    """Map DIALSTATUS and the Q.850 cause of a dial that has come back.

    Asterisk says CHANUNAVAIL for a refusal and for an absent phone alike, so the cause decides where the status
    leaves it open; after NOANSWER the cause is that of our own cancelling, or an earlier dial's.
    """
    outcome = _BY_STATUS.get(status)
    return outcome if outcome is not None else outcome_of(cause)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004 - Q.850 is 7 bits
