"""Who may ask, and how often: one door for everything a visitor does that costs something.

Addresses are counted in memory, by this node; requests of a number in a day are counted in Postgres
(`CallbackDesk.find`), so that a restart or another node changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from controller.callback.model import Source
from controller.calls.callback.desk import CallbackDesk
from controller.flow.sitekinds import Site
from controller.numbering.model import NumberFacts, NumberKind
from controller.numbering.numbers import understand
from controller.ports import Clock
from controller.web.metrics import Sample
from controller.web.public.forms import WorkDone
from controller.web.public.limits import Limiter, Rate, address_keys
from controller.web.public.refusals import Refusal
from controller.web.public.work import Captcha, Challenge, Work

READS: Final = Rate(120, 60.0)
"""Of one address: availability, slots, challenges, how a request is."""
ASKS: Final = Rate(6, 600.0)
ASKS_DAY: Final = Rate(30, 86_400.0)
"""Of one address: a home asks once or twice, an office behind one address some times more."""
ASKS_PREFIX: Final = Rate(60, 3600.0)
"""Of one neighbourhood (IPv4 /24, IPv6 /48)."""
NUMBER: Final = Rate(4, 600.0)
NUMBER_DAY: Final = 6
"""Requests from pages for one number within 24 hours."""
NUMBER_BLOCK: Final = Rate(30, 3600.0)
"""For numbers that differ in their last four digits only."""
NO_SCRIPT: Final = Rate(30, 3600.0)
"""Of all visitors of a site without JavaScript, who have done no work."""
_BLOCK_DIGITS = 4


class Protection:
    """Counts, and refuses by raising `Refusal`."""

    def __init__(self, desk: CallbackDesk, clock: Clock, work: Work, captcha: Captcha | None = None) -> None:
        self.counts: Counter[str] = Counter()
        """What was done and refused, by word: for the metrics."""
        self._desk = desk
        self._clock = clock
        self._work = work
        self._captcha = captcha
        self._limits = {
            "reads": Limiter(READS),
            "asks": Limiter(ASKS),
            "asks_day": Limiter(ASKS_DAY),
            "prefix": Limiter(ASKS_PREFIX),
            "number": Limiter(NUMBER),
            "block": Limiter(NUMBER_BLOCK),
        }
        self._of_site: dict[tuple[str, Rate], Limiter] = {}

    def read(self, address: str) -> None:
        """Count a look of `address`."""
        self._take("reads", address_keys(address)[0])

    def challenge(self, site: Site, address: str) -> Challenge:
        """Return a challenge: harder while many ask, and for who has asked a lot."""
        self.read(address)
        self.counts["challenges"] += 1
        used = self._limits["asks"].used(address_keys(address)[0], self._clock.monotonic())
        return self._work.challenge(site.name, self._clock.now().timestamp(), used)

    async def admit(self, site: Site, address: str, key: str, work: WorkDone, captcha: str = "") -> None:
        """Let an asker in who has done the work for `key`; count it. For everything that leads to a call."""
        self.attempt(address)
        flaw = self._work.flaw(work.challenge, work.solution, key, site.name, self._clock.now().timestamp())
        if flaw is not None:
            raise Refusal(flaw.value)
        if self._captcha is not None and not await self._captcha.passed(captcha, address):
            raise Refusal("captcha_failed")

    def attempt(self, address: str) -> None:
        """Count an attempt of `address` to ask."""
        alone, around = address_keys(address)
        self._take("asks", alone)
        self._take("asks_day", alone)
        self._take("prefix", around)

    def without_work(self, site: Site) -> None:
        """Count a request that comes without work, of a browser without JavaScript."""
        self._take_of_site(site, NO_SCRIPT, "no_script")

    def number(self, site: Site, text: str, country: str) -> NumberFacts:
        """Return what is known of a number that may be called from `site`."""
        if not text.strip():
            raise Refusal("number_missing")
        facts = understand(text, country or site.country)
        if not isinstance(facts, NumberFacts):
            known = facts.code in {"unreadable", "invalid", "kind", "country"}
            raise Refusal(f"number_{facts.code}" if known else "number_invalid")
        if facts.country not in site.countries:
            # A number of no country at all is one of no ordinary kind.
            raise Refusal("number_country" if facts.country else "number_kind")
        if facts.kind not in site.kinds and not _perhaps(facts.kind, site.kinds):
            raise Refusal("number_kind")
        return facts

    async def count_number(self, site: Site, facts: NumberFacts) -> None:
        """Count a request for a number. Raises `StoreError` while Postgres is away."""
        self._take("number", facts.number)
        self._take("block", facts.number[:-_BLOCK_DIGITS])
        found = await self._desk.find(number=facts.number, limit=NUMBER_DAY * 4)
        since = self._clock.now() - timedelta(days=1)
        of_today = [each for each in found if each.source is Source.WEB and each.created_at > since]
        if len(of_today) >= NUMBER_DAY:
            self.counts["limit_number_day"] += 1
            oldest = min(each.created_at for each in of_today)
            raise Refusal("too_many", (oldest - since).total_seconds())
        self._take_of_site(site, Rate(site.per_day, 86_400.0), "site")

    def samples(self) -> Iterator[Sample]:
        """Yield `rappel_public_*`."""
        for what, count in sorted(self.counts.items()):
            yield Sample("public_events", "What visitors did, and refusals.", count, "counter", {"what": what})
        for name, limiter in self._limits.items():
            help_text = "Addresses and numbers that have lately used a limit."
            yield Sample("public_limited_keys", help_text, len(limiter), labels={"limit": name})
        bits = self._work.bits(self._clock.now().timestamp())
        yield Sample("public_work_bits", "Difficulty of the proof of work, bits a puzzle.", bits)

    def _take(self, limit: str, key: str) -> None:
        wait_s = self._limits[limit].take(key, self._clock.monotonic())
        if wait_s:
            self.counts[f"limit_{limit}"] += 1
            raise Refusal("too_many", wait_s)

    def _take_of_site(self, site: Site, rate: Rate, what: str) -> None:
        limiter = self._of_site.get((site.name, rate))
        if limiter is None:
            while len(self._of_site) >= 1000:  # noqa: PLR2004 - far more than there are sites
                del self._of_site[next(iter(self._of_site))]
            limiter = self._of_site[site.name, rate] = Limiter(rate, 1)
        wait_s = limiter.take(site.name, self._clock.monotonic())
        if wait_s:
            self.counts[f"limit_{what}"] += 1
            raise Refusal("too_many", wait_s)


def _perhaps(kind: NumberKind, allowed: frozenset[str]) -> bool:
    """A number that may be fixed or mobile fits a site that allows both."""
    both = {NumberKind.FIXED.value, NumberKind.MOBILE.value}
    return kind is NumberKind.FIXED_OR_MOBILE and both <= allowed
