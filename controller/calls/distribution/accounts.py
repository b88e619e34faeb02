"""The agents' accounts as this controller knows them: from Postgres, or from its own disk while that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from controller.acd.model import AgentAccount, AgentId
from controller.calls.distribution.statefile import StateFile
from controller.errors import StoreError
from controller.ports import AgentDirectory, Devices, DeviceSettings

log = structlog.get_logger(__name__)

_RETRY_FIRST_S, _RETRY_MAX_S = 0.5, 10.0


class KeptAccounts(msgspec.Struct):
    """What is kept on disk. `secrets`: A1 hashes by agent, never passwords."""

    accounts: list[AgentAccount] = []
    secrets: dict[str, str] = {}


class Accounts:
    """Accounts by id, in the order of ids. `changed` is told whenever they are not what they were.

    `watch` follows the directory for ever; `load` gives what the last controller knew.
    """

    def __init__(
        self,
        directory: AgentDirectory,
        devices: Devices | None,
        state_dir: Path,
        changed: Callable[[Mapping[AgentId, AgentAccount]], None],
    ) -> None:
        self._directory = directory
        self._devices = devices
        self._changed = changed
        self._kept = KeptAccounts()
        self._file = StateFile(state_dir / "agents.json", KeptAccounts, lambda: self._kept)
        self._by_extension: dict[str, AgentId] = {}
        self.by_id: dict[AgentId, AgentAccount] = {}
        """All accounts, enabled or not."""
        self.fresh = False
        """Whether the directory has answered since the start."""

    def load(self) -> None:
        """Begin with what is on disk."""
        kept = self._file.load()
        if kept is not None:
            self._use(kept)

    @property
    def not_kept(self) -> str:
        """Why the accounts are not on disk as they are; empty when they are."""
        return self._file.broken

    def by_extension(self, extension: str) -> AgentId | None:
        """Return whose device an extension is."""
        return self._by_extension.get(extension)

    async def watch(self) -> None:
        """Follow the directory until cancelled. While the database is away the accounts stay as they are."""
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                await self.refresh()
                delay_s = _RETRY_FIRST_S
                async for _ in self._directory.changes():
                    await self.refresh()
                log.warning("agents.changes_ended", do="asked again")
            except StoreError as error:
                log.warning("agents.not_read", error=str(error), again_in_s=delay_s)
            except Exception:  # a bug here must not leave the accounts as they are for ever
                log.exception("agents.not_read")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RETRY_MAX_S)

    async def refresh(self) -> None:
        """Read the directory once; raise `StoreError` when it is away."""
        accounts = await self._directory.accounts()
        secrets = await self._directory.secrets()
        self.fresh = True
        kept = KeptAccounts(
            sorted(accounts, key=lambda account: account.agent), {each.agent: each.ha1 for each in secrets}
        )
        if kept != self._kept:
            self._use(kept)
            self._file.now()

    def _use(self, kept: KeptAccounts) -> None:
        self._kept = kept
        self.by_id = {account.agent: account for account in kept.accounts}
        self._by_extension = {account.extension: account.agent for account in kept.accounts if account.enabled}
        if self._devices is not None:
            self._devices.configure(self._settings())
        self._changed(self.by_id)

    def _settings(self) -> Sequence[DeviceSettings]:
        return [
            DeviceSettings(
                endpoint=account.extension,
                display_name=account.name,
                ha1=self._kept.secrets[account.agent],
                mailboxes=tuple(sorted(account.queues)),
            )
            for account in self._kept.accounts
            if account.enabled and account.agent in self._kept.secrets
        ]
