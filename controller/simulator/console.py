"""`rappel simulate`: a call in the terminal. The keys are the telephone; time is virtual and never waited for.

When the flow listens, a line is read: keys to press (`2`, `123456#`), an empty line to wait until the flow's own
clock runs out, `hangup` (or the end of the input) to hang up. Where the flow asks another system, the line is its
answer: `200 {"vip": true}`, a failure such as `timeout`, empty for `200`; where it dials or queues, the outcome:
`busy`, `full`, empty for a talk of a minute. Lines may as well come from a file or a pipe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec

from controller.flow.commands import AgentAct, Dial, DialOutcome, Enqueue, LookedUp, Lookup, LookupFailed, QueueExit
from controller.flow.interpreter import CallFacts
from controller.flow.release import Release
from controller.ports import AudioLibrary
from controller.simulator.caller import HANG_UP, KEY_GAP_S, REACTION_S
from controller.simulator.kinds import FAILURES, QUEUE_EXITS
from controller.simulator.mailbox import LeftMessage, SimulatedMailbox
from controller.simulator.simulation import CallResult, Simulation
from controller.simulator.telephone import DialAnswer
from controller.simulator.trace import TraceLine
from controller.simulator.waiting import QueueAnswer
from controller.simulator.wording import Wording

KEYS = frozenset("0123456789*#ABCD")
MAX_MISREAD = 100
"""Lines that make no sense before the caller counts as gone: a pipe may hold anything."""

ReadLine = Callable[[str], str | None]
"""Asks with a prompt and returns one line without its end; None once there are no more."""
Write = Callable[[str], None]

_HANG_UP_WORDS = frozenset({"hangup", "h", "q", "quit", "exit"})


class _Terminal:
    """The person at the terminal, as caller and as everybody the flow asks."""

    def __init__(self, read: ReadLine, write: Write) -> None:
        self._read = read
        self._write = write
        self._keys: deque[str] = deque()
        self._misread = 0
        self._gone = False

    def act(self, now: float, until: float, listening: bool, keys: str = "") -> tuple[float, str] | None:
        """See `Caller.act`: nothing but what is typed while the flow listens."""
        if self._keys:
            at = now + KEY_GAP_S
            return (at, self._keys.popleft()) if at <= until else None
        if listening and not self._gone:
            self._keys.extend(self._ask_keys(keys))
            now = min(now + REACTION_S, until)
        if self._gone:
            return now, HANG_UP
        return (now, self._keys.popleft()) if self._keys else None

    def answer(self, _flow: str, request: Lookup) -> tuple[LookedUp | LookupFailed, float]:
        """Answer an http step."""
        while (line := self._line(f"{request.step} answers> ")) is not None:
            status, _, body = (line.strip() or "200").partition(" ")
            if status in FAILURES:
                return LookupFailed(status), 0.0
            if status.isascii() and status.isdecimal() and 100 <= int(status) <= 599:  # noqa: PLR2004 - HTTP
                try:
                    return LookedUp(int(status), msgspec.json.decode(body) if body.strip() else None), 0.1
                except (msgspec.DecodeError, RecursionError):
                    pass  # told below
            self._misunderstood(f'write a status and JSON, as 200 {{"vip": true}}, or one of {", ".join(FAILURES)}')
        return LookupFailed("unreachable", "the input has ended"), 0.0

    def dial(self, command: Dial) -> DialAnswer:
        """Say how a dial goes."""
        while (line := self._line(f"{command.extension}> ")) is not None:
            try:
                return DialAnswer(DialOutcome(line.strip() or "talked"))
            except ValueError:
                self._misunderstood(f"write one of {', '.join(DialOutcome)}")
        return DialAnswer(DialOutcome.NO_ANSWER)

    def speak(self, _now: float, most_s: float) -> float:
        """See `Caller.speak`."""
        while (line := self._line("seconds of speech> ")) is not None:
            try:
                return min(most_s, max(0.0, float(line.strip() or "5")))
            except ValueError:
                self._misunderstood("write how many seconds to speak; an empty line is five")
        return 0.0

    def queue(self, command: Enqueue) -> QueueAnswer:
        """Say how a visit to the queues goes."""
        while (line := self._line(f"{command.queue}> ")) is not None:
            word = line.strip() or "talked"
            if word in QUEUE_EXITS:
                return QueueAnswer(QueueExit(word))
            self._misunderstood(f"write one of {', '.join(QUEUE_EXITS)}")
        return QueueAnswer(QueueExit.TIMEOUT)

    def agent(self, command: AgentAct) -> str:
        """Say why something an agent asks for is refused."""
        line = self._line(f"{command.act}> ")
        word = (line or "").strip()
        return "" if word in ("", "done") else word[:40]

    def _ask_keys(self, heard: str) -> str:
        while (line := self._line(f"keys ({heard})> " if heard else "keys> ")) is not None:
            keys = "".join(line.split())
            if keys.lower() in _HANG_UP_WORDS:
                self._gone = True
                return ""
            if KEYS.issuperset(keys.upper()):
                return keys.upper()
            self._misunderstood("press 0-9, *, # or A-D; an empty line waits, hangup hangs up")
        return ""

    def _line(self, prompt: str) -> str | None:
        line = None if self._gone else self._read(prompt)
        if line is None:
            self._gone = True
        return line

    def _misunderstood(self, advice: str) -> None:
        self._write(advice)
        self._misread += 1
        if self._misread >= MAX_MISREAD:
            self._gone = True


def simulate(
    release: Release,
    flow: str,
    *,
    at: datetime,
    read: ReadLine,
    write: Write,
    caller: str = "+33612345678",
    called: str = "",
    language: str = "",
    audio: AudioLibrary | None = None,
) -> CallResult:
    """Run `flow` with a person at the terminal as the caller; `at` (aware) is when. Lines are written as they come.

    Raises `FlowError` when the release has no such flow.
    """
    terminal = _Terminal(read, write)
    facts = CallFacts(called=called, caller=caller, language=language)

    def show(line: TraceLine) -> None:
        write(str(line))

    simulation = Simulation(
        release,
        flow,
        facts,
        at,
        terminal,
        answers=terminal.answer,
        dials=terminal.dial,
        queues=terminal.queue,
        agents=terminal.agent,
        mailbox=SimulatedMailbox([LeftMessage(queue, caller) for queue in release.queues]),
        wording=Wording(release, audio),
        observer=show,
    )
    return simulation.run()
