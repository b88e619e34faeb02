"""Customers who are called: the far side of a trunk, an independent witness of every dial."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from controller.softphone import IncomingCall
from controller.softphone.call import Call
from controller.softphone.endpoint import Address
from controller.softphone.message import Message
from controller.softphone.phone import OnCall, Phone, ring_forever
from controller.softphone.transaction import ServerTransaction

CARRIER = "127.0.0.4"
OURS = "+33353014700"
FLOW = """
flow: rappel
start: accueil
languages: [fr, en]
defaults: {first_digit: 3s, attempts: 1}
prompts:
  bonjour: {fr: {file: menu}, en: {file: menu}}
  merci: {fr: {file: au_revoir}, en: {file: au_revoir}}
steps:
  accueil:
    type: menu
    prompt: bonjour
    choices: {1: conseiller, 3: annuler, 9: jamais}
    no_input: {prompt: bonjour, then: rien}
    invalid: {prompt: bonjour, then: rien}
  conseiller: {type: queue, queue: QUEUE, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}
  annuler: {type: callback_cancel, done: fin, none: fin, unavailable: fin}
  jamais: {type: opt_out, done: fin, unavailable: fin}
  fin: {type: hangup, prompt: merci}
  rien: {type: hangup}
"""


class Carrier(Phone):
    """Keeps each INVITE that is no repetition; `does` is what the called customer does.

    With the account of a softphone (`user`, `password`) it is the simulated carrier's, which rings for everybody.
    """

    def __init__(self, address: Address, user: str = "carrier", password: str = "") -> None:
        super().__init__(address, user=user, password=password, on_call=self._take)
        self.does: OnCall = ring_forever
        self.invites: list[Message] = []
        self.rings: list[IncomingCall] = []

    async def _take(self, ringing: IncomingCall) -> None:
        self.rings.append(ringing)
        await self.does(ringing)

    def _on_invite(self, request: Message, transaction: ServerTransaction, remote: Address) -> None:
        self.invites.append(request)
        super()._on_invite(request, transaction, remote)

    @property
    def numbers(self) -> list[str]:
        """Whom the carrier was asked to call, in order."""
        return [invite.uri.partition(":")[2].partition("@")[0] for invite in self.invites]

    async def rung(self, count: int = 1, limit_s: float = 10.0) -> Call:
        """Wait until customers have been rung `count` times; return that call."""
        async with asyncio.timeout(limit_s):
            while len(self.rings) < count:
                await asyncio.sleep(0.01)
        return self.rings[count - 1].call


def write_callbacks(folder: Path, queue: str, **described: object) -> None:
    """Let customers of a queue of the centre in `folder` be called back."""
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    (folder / "rappel.yaml").write_text(FLOW.replace("QUEUE", queue), "utf-8")
    centre["numbers"][OURS] = {"flow": f"queue_{queue}", "language": "fr"}
    centre["queues"][queue]["callback"] = {"flow": "rappel", "caller_id": OURS, "ring": "10s", **described}
    centre["outbound"] = {
        "caller_id": OURS,
        "countries": ["FR"],
        "kinds": ["fixed", "mobile"],
        "ceilings": {"hour": 1000, "day": 1000, "number": 100, "calls": 100},
        "tariffs": {"FR": {"per_min": 0.01}, "FR mobile": {"per_min": 0.01}},
    }
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")
