"""An Asterisk of a test's own."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from controller.runtime.asterisk import AsteriskInstall, AsteriskServer
from controller.runtime.secrets import load
from controller.runtime.settings import StackSettings
from tests.rig import freeports

RTP_PORTS = 240  # for fifty calls at once with a leg to an agent each


_PORTS = ("sip_port", "ari_port", "ami_port", "controller_port", "agi_port", "web_port")


def settings(state_dir: Path, **changes: Any) -> StackSettings:
    """Return settings with free loopback ports, state under `state_dir`, and `changes` on top."""
    rtp_start = freeports.block(RTP_PORTS)
    chosen: dict[str, Any] = {name: freeports.block() for name in _PORTS if name not in changes}
    chosen |= {"rtp_start": rtp_start, "rtp_end": rtp_start + RTP_PORTS - 1, "state_dir": state_dir}
    return StackSettings(**(chosen | changes))


def release(used: StackSettings, **changes: Any) -> None:
    """Give the ports back that `settings` chose for `used`: all but those among its `changes`."""
    freeports.release(used.rtp_start, RTP_PORTS)
    for name in _PORTS:
        if name not in changes:
            freeports.release(getattr(used, name))


class Rig:
    """Boots Asterisks for tests and ends them all; each has its own folder, ports and passwords."""

    def __init__(self, install: AsteriskInstall) -> None:
        self._install = install
        self._running: list[AsteriskServer] = []
        self._stack = ExitStack()  # ports and folders, given back after the last Asterisk has ended

    async def boot(self, **changes: Any) -> AsteriskServer:
        """Boot one; `changes` are fields of `StackSettings`. Third of a second."""
        server = self.prepare(**changes)
        await server.start()
        return server

    def prepare(self, **changes: Any) -> AsteriskServer:
        """Return one that is not started yet."""
        folder = Path(tempfile.mkdtemp(prefix="rappel-t-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        chosen = settings(folder, **changes)
        self._stack.callback(release, chosen, **changes)
        secrets = load(chosen.secrets_file, [phone.extension for phone in chosen.softphones])
        server = AsteriskServer(self._install, chosen, secrets)
        self._running.append(server)
        return server

    def again(self, server: AsteriskServer, **changes: Any) -> AsteriskServer:
        """Return a second handle on the same home, as a restarted supervisor would have it."""
        chosen = dataclasses.replace(server.settings, **changes)
        handle = AsteriskServer(self._install, chosen, server.secrets)
        self._running.append(handle)
        return handle

    async def end(self) -> None:
        """Kill what still runs and remove the folders."""
        for server in self._running:
            await server.kill()
        self._stack.close()
