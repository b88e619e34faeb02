"""A release's queues: the rules of distribution, and what is heard there by customers and agents.

Everything is worked out when the centre is loaded; the methods only look up. A queue needs no prompt of its own: the
notices of `controller.flow.spoken.waiting` say what its operator has not recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from controller.acd.model import Overflow, Queue, Rung, Strategy
from controller.callback.model import CallbackPlan
from controller.flow.callbackkinds import compile_callback
from controller.flow.commands import MediaId
from controller.flow.prompts import LANGUAGES, Prompt
from controller.flow.queuekinds import QueueFile
from controller.flow.spoken.waiting import key_notice, place_notice, wait_notice

Heard = dict[str, tuple[MediaId, ...]]
"""What is played, by language; empty where the operator named nothing."""


class RecordRule(msgspec.Struct, frozen=True):
    """Conversations of the queue are recorded: what announces it, and how long a recording is kept."""

    announced: Heard
    keep_s: float

    def announcement(self, language: str) -> tuple[MediaId, ...]:
        """Return what the customer hears before anything is recorded."""
        return _in(self.announced, language)


class QueuePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One queue of a release. Every method returns what is played, () when nothing is."""

    rules: Queue
    calendar: str = ""
    """A name in the release's calendars; "": always open."""
    music: str = "default"
    """A class of Asterisk's music on hold."""
    caller_hears: str = "music"
    """While the agent's phone rings: music or ringing."""
    first_news_s: float = 20.0
    news_every_s: float = 60.0
    """0: no news at all."""
    says_position: bool = True
    says_estimate: bool = True
    comfort_every_s: float = 0.0
    """0: never."""
    comforts: tuple[Heard, ...] = ()
    callback_prompt: Heard = {}
    message_prompt: Heard = {}
    whispered: Heard = {}
    accept_key: str = ""
    """"": the agent talks as soon as the phone is answered."""
    accept_prompt: Heard = {}
    record: RecordRule | None = None
    message_keep_s: float = 2_592_000.0
    greeting: Heard = {}
    message_named: Heard = {}
    labels: dict[str, str] = {}
    """What each code of `rules.dispositions` is called."""
    callback: CallbackPlan | None = None
    """How its customers are called back; None: they are not."""

    @property
    def title(self) -> str:
        """What people call the queue."""
        return self.rules.title or self.rules.name

    def news(self, language: str, position: int, estimate_s: float | None) -> tuple[MediaId, ...]:
        """Return the news of a place (from 1; 0: unknown) and a wait (None: unknown), if the queue tells them."""
        media: list[MediaId] = []
        if self.says_position and position > 0:
            media += _say(language, place_notice(position))
        if self.says_estimate and estimate_s is not None:
            media += _say(language, wait_notice(estimate_s))
        return tuple(media)

    def comfort(self, language: str, n: int) -> tuple[MediaId, ...]:
        """Return the `n`-th comforting words, which come in turn."""
        if not self.comfort_every_s:
            return ()
        if not self.comforts:
            return _say(language, "comfort")
        return _in(self.comforts[n % len(self.comforts)], language)

    def callback_offer(self, language: str, key: str = "") -> tuple[MediaId, ...]:
        """Return the offer to be called back at the press of `key`; the queue's own prompt names its key itself."""
        return _in(self.callback_prompt, language) or _with_key("offer-callback", language, key)

    def message_offer(self, language: str, key: str = "") -> tuple[MediaId, ...]:
        """Return the offer to leave a message at the press of `key`; see `callback_offer`."""
        return _in(self.message_prompt, language) or _with_key("offer-message", language, key)

    def whisper(self, language: str) -> tuple[MediaId, ...]:
        """Return what the agent hears before the customer does: which queue the call is from."""
        return _in(self.whispered, language)

    def accept(self, language: str) -> tuple[MediaId, ...]:
        """Return what asks the agent to press `accept_key`."""
        if not self.accept_key:
            return ()
        return _in(self.accept_prompt, language) or _with_key("accept-call", language, self.accept_key)

    def message_name(self, language: str) -> tuple[MediaId, ...]:
        """Return what tells an agent whose queue's message comes: the queue's own prompt, else its whisper."""
        return _in(self.message_named, language) or self.whisper(language)

    def message_greeting(self, language: str) -> tuple[MediaId, ...]:
        """Return what is said before the tone of a voice message."""
        return _in(self.greeting, language) or _say(language, "message-greeting")


def compile_queue(name: str, file: QueueFile, prompts: Mapping[str, Prompt | None], country: str = "FR") -> QueuePlan:
    """Return the plan of a queue that has no errors; `prompts` and `country` are the centre's."""

    def heard(names: Iterable[str]) -> Heard:
        parts = [prompt for prompt in (prompts.get(each) for each in names) if prompt is not None]
        return {
            language: tuple(media for part in parts for media in part.fixed.get(language, ()))
            for language in LANGUAGES
            if any(part.fixed.get(language) for part in parts)
        }

    sticky, accept, comfort, record = file.sticky, file.accept, file.comfort, file.record
    tells = file.news.position or file.news.estimate
    return QueuePlan(
        rules=Queue(
            name=name,
            title=file.title,
            strategy=Strategy(file.strategy),
            priority=file.priority,
            rungs=tuple(Rung(rung.needs, rung.until_s) for rung in file.skills),
            ring_s=file.ring_s,
            wrap_up_s=file.wrap_up_s,
            wrap_up_max_s=max(file.wrap_up_max_s, file.wrap_up_s),
            capacity=file.capacity,
            wait_s=file.wait_s,
            overflow=tuple(Overflow(each.to, each.after_s) for each in file.overflow),
            sticky_within_s=sticky.within_s if sticky else 0.0,
            sticky_hold_s=sticky.hold_s if sticky else 0.0,
            missed_pause_s=file.missed_pause_s,
            service_level_s=file.service_level_s,
            short_abandoned_s=file.short_abandoned_s,
            dispositions=tuple(file.dispositions),
        ),
        calendar=file.calendar,
        music=file.music,
        caller_hears=file.caller_hears,
        first_news_s=file.news.first_s,
        news_every_s=file.news.every_s if tells else 0.0,
        says_position=file.news.position,
        says_estimate=file.news.estimate,
        comfort_every_s=comfort.every_s if comfort else 0.0,
        comforts=tuple(heard((each,)) for each in comfort.prompts) if comfort else (),
        callback_prompt=heard(file.callback_offer),
        message_prompt=heard(file.message_offer),
        whispered=heard(file.whisper),
        accept_key=accept.key if accept else "",
        accept_prompt=heard(accept.prompt) if accept else {},
        record=RecordRule(heard(record.announcement), record.keep_s) if record else None,
        message_keep_s=file.message.keep_s,
        greeting=heard(file.message.greeting),
        message_named=heard(file.message.name),
        labels=file.dispositions,
        callback=compile_callback(file.callback.file, country) if file.callback else None,
    )


def _in(heard: Heard, language: str) -> tuple[MediaId, ...]:
    """Return what is heard in `language`; in another one if it was not recorded in that."""
    found = heard.get(language)
    return next(iter(heard.values()), ()) if found is None else found


def _say(language: str, notice: str) -> tuple[MediaId, ...]:
    return (f"say/{language if language in LANGUAGES else LANGUAGES[0]}/{notice}",)


def _with_key(notice: str, language: str, key: str) -> tuple[MediaId, ...]:
    return _say(language, key_notice(notice, key)) if key else ()
