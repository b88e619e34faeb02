"""A real Asterisk with a small dialplan of ours: it answers, plays, reads digits, echoes, rings our phones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.runtime.asterisk import AsteriskInstall, AsteriskServer
from controller.softphone import Ear, Phone
from controller.softphone.ear import load_prompts
from controller.softphone.g711 import to_alaw
from tests.rig.asterisk import Rig
from tests.unit.softphone.sounds import speech

PROMPTS = {"menu": speech(3.0, 1), "thanks": speech(1.5, 2), "bye": speech(0.8, 3)}
REAL = ("vm-instructions", "agent-loginok", "pbx-invalid", "demo-thanks", "goodbye", "im-sorry", "digits/2")
SECRET = "exchange-5ecret"

DIALPLAN = """
[from-trunk](+)
exten => x100,1,Answer()
 same => n,Playback({sounds}/menu&{sounds}/thanks)
 same => n,Hangup(16)
exten => x101,1,Answer()
 same => n,Read(DIGITS,{sounds}/menu,{{max}},,1,3)
 same => n,Set(GLOBAL(R${{CALLERID(num)}})=${{DIGITS}})
 same => n,Playback({sounds}/thanks)
 same => n,Hangup(16)
exten => x102,1,Answer()
 same => n,Echo()
exten => x103,1,Answer()
 same => n,Playtones(440)
 same => n,Wait(1)
 same => n,Hangup(16)
exten => x104,1,Hangup(17)
exten => x105,1,Ringing()
 same => n,Wait(20)
exten => x106,1,Answer()
 same => n,Set(CHANNEL(language)=en)
 same => n,Playback({real})
 same => n,Hangup(16)
exten => x107,1,Answer()
 same => n,Wait(20)
exten => x200,1,Dial(PJSIP/exchange,10)
 same => n,Hangup(${{HANGUPCAUSE}})
"""
ACCOUNT = """
[exchange](endpoint-common)
context = from-softphones
allow = alaw,ulaw
identify_by = username
auth = exchange
aors = exchange
[exchange]
type = auth
auth_type = digest
username = exchange
password = {secret}
supported_algorithms_uas = {algorithm}
[exchange]
type = aor
max_contacts = 1
remove_existing = yes
"""


@dataclass(frozen=True)
class Exchange:
    """The booted Asterisk and how to reach it."""

    server: AsteriskServer
    sounds: Path

    def number(self, name: str) -> str:
        """Return the address of one of our extensions, or of anything else."""
        return f"sip:{name}@127.0.0.1:{self.server.settings.sip_port}"

    @property
    def registrar(self) -> str:
        return f"sip:127.0.0.1:{self.server.settings.sip_port}"

    async def account(self, algorithm: str) -> None:
        """Make the account `exchange` authenticate with `algorithm`."""
        file = self.server.paths.etc / "pjsip.conf"
        text = file.read_text(encoding="utf-8").split("\n; test account\n")[0]
        extra = ACCOUNT.format(secret=SECRET, algorithm=algorithm)
        file.write_text(f"{text}\n; test account\n{extra}", encoding="utf-8")
        await self.server.cli("module reload res_pjsip.so")

    async def digits(self, caller: str) -> str:
        """Return what Asterisk read from `caller`."""
        shown = await self.server.cli("dialplan show globals")
        return next((line.split("=", 1)[1] for line in shown.splitlines() if f"R{caller}=" in line), "")


@asynccontextmanager
async def an_exchange(install: AsteriskInstall, sounds: Path) -> AsyncIterator[Exchange]:
    """Boot one; its prompts go to `sounds`."""
    rig = Rig(install)
    try:
        server = await rig.boot()
        for name, samples in PROMPTS.items():
            (sounds / f"{name}.alaw").write_bytes(to_alaw(samples))
        for module in ("app_playtones", "func_global", "format_pcm", "format_sln"):
            await server.cli(f"module load {module}.so")
        plan = DIALPLAN.format(sounds=sounds, real="&".join(REAL), max=50)
        file = server.paths.etc / "extensions.conf"
        file.write_text(file.read_text(encoding="utf-8") + plan, encoding="utf-8")
        await server.cli("dialplan reload")
        yield Exchange(server, sounds)
    finally:
        await rig.end()


def a_phone(**options) -> Phone:
    """Return a phone on ports that the kernel chooses."""
    return Phone(("127.0.0.1", 0), **options)


def ear() -> Ear:
    """Return an ear for our own prompts."""
    return Ear(PROMPTS)


def real_ear(folder: Path) -> Ear:
    """Return an ear for the real recordings that `file convert` put into `folder`."""
    return Ear(load_prompts({path.stem: path for path in folder.glob("*.sln")}))
