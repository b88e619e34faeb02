"""Healthy: the controller is ready for calls (`/readyz`). One that hangs is ended, for the restart policy.

Not ready is not frozen: while Asterisk or Postgres is away the controller answers 503 with the reason, and lives. A
controller that does not answer `/healthz` `STRIKES` times in a row is killed; its calls stay with Asterisk, and the
one that the restart policy starts takes them up.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
from pathlib import Path

LIMIT_S = 3.0
STRIKES = 3
_COUNT = Path("/tmp/rappel-strikes")  # noqa: S108 - the container's own tmpfs


def ask(path: str, port: int) -> tuple[int, str]:
    """Return status and text of the controller's answer; raise `OSError` when there is none within `LIMIT_S`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def controllers(proc: Path = Path("/proc")) -> list[int]:
    """Return the process ids of the controller in this container: those whose last argument is `controller`."""
    found = []
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")[:-1]
        except OSError:
            continue  # it has ended meanwhile
        if words[-1:] == [b"controller"] and path.parent.name != "1":
            found.append(int(path.parent.name))
    return found


def main() -> int:
    """Return 0 when ready."""
    port = int(os.environ.get("RAPPEL_WEB_PORT", "8080"))
    try:
        ask("/healthz", port)
    except OSError as error:
        strikes = (int(_COUNT.read_text()) if _COUNT.exists() else 0) + 1
        if strikes < STRIKES:
            _COUNT.write_text(str(strikes))
            print(f"no answer ({error}), {strikes} of {STRIKES}")
            return 1
        _COUNT.unlink(missing_ok=True)
        for pid in controllers():
            os.kill(pid, signal.SIGKILL)
        print(f"no answer ({error}), {strikes} times in a row: ended, to be started again")
        return 1
    _COUNT.unlink(missing_ok=True)
    try:
        status, text = ask("/readyz", port)
    except OSError as error:
        print(f"/readyz: {error}")
        return 1
    print(text)
    return 0 if status == 200 else 1  # noqa: PLR2004 - HTTP OK


if __name__ == "__main__":
    sys.exit(main())
