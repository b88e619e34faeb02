"""The watchdog ends a stuck process with a traceback, and leaves a busy one alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(body: str) -> subprocess.CompletedProcess[str]:
    script = textwrap.dedent(
        """
        import asyncio, time
        from controller.watchdog import keep_awake
        async def main():
            task = asyncio.create_task(keep_awake(0.6))
            await asyncio.sleep(0)
            {body}
            task.cancel()
        asyncio.run(main())
        """
    ).format(body=body)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)


def test_a_stuck_loop_is_ended_and_says_where_it_was():
    done = run("time.sleep(20)")
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "in main" in done.stderr


def test_a_loop_that_turns_is_left_alone():
    done = run("await asyncio.sleep(1.5)")
    assert (done.returncode, done.stderr) == (0, "")


def test_after_its_end_nothing_is_left_ticking():
    done = run("task.cancel(); await asyncio.sleep(0.1); time.sleep(1.2)")
    assert (done.returncode, done.stderr) == (0, "")
