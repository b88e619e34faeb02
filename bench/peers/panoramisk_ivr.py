"""The bench's IVR as a panoramisk FastAGI script, as a user of that library would write it.

Arguments: port, menu and done (paths of sounds). Prints `ready` when calls are served.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from panoramisk import fast_agi

_, port, menu, done = sys.argv


async def ivr(request: Any) -> None:
    """Answer, play the menu until a digit, play the next prompt, hang up."""
    await request.send_command("ANSWER")
    answer = await request.send_command(f"GET DATA {menu} 5000 1")
    if answer.get("result", ("",))[0] == "1":
        await request.send_command(f'STREAM FILE {done} ""')
    await request.send_command("HANGUP")


async def main() -> None:
    """Serve every connection."""
    application = fast_agi.Application(loop=asyncio.get_running_loop())
    application.add_route("ivr", ivr)
    server = await asyncio.start_server(application.handler, "127.0.0.1", int(port), backlog=1024)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
