"""An asyncio loop whose time jumps to the next timer: hours of waiting pass in milliseconds, and always alike.

Use it from a plain test, or mark a whole `async def` test:

    @on_virtual_time
    async def test_a_wait_ends() -> None:
        await asyncio.sleep(3600)

`VirtualClock` is the `Clock` port over the running loop. Work for threads is done at once, in the loop. There is
nothing from outside to wait for: a loop in which nobody can ever go on raises `StuckError`.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MONDAY_9H = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A working day in winter, nine o'clock in Paris."""


class StuckError(RuntimeError):
    """Everybody waits, and for nothing that can happen."""


class _Jumping(selectors.DefaultSelector):
    """Never waits: tells the loop for how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise StuckError("no timer is set and nothing is ready: whoever is awaited never comes")
        self.elapsed += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module. `time()` begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - belongs to whoever awaits it
            done.set_exception(error)
        return done


class VirtualClock:
    """`controller.ports.Clock` of the loop that runs: `begins` at its time 0."""

    def __init__(self, begins: datetime = MONDAY_9H) -> None:
        self._begins = begins
        self.jumped = timedelta()
        """How far somebody has set the time of day wrong."""

    def now(self) -> datetime:
        return self._begins + self.jumped + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def on_virtual_time(test: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Let an `async def` test run on virtual time. Its fixtures must not need a loop."""

    @functools.wraps(test)
    def to_the_end(*args: P.args, **kwargs: P.kwargs) -> T:
        async def main() -> T:
            return await test(*args, **kwargs)

        return run(main())

    return to_the_end


async def turns(count: int = 10) -> None:
    """Let whoever is ready go on, without any time passing."""
    for _ in range(count):
        await asyncio.sleep(0)
