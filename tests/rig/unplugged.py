"""A telephone that went away without a word to anybody."""

from __future__ import annotations

import weakref

from controller.softphone.endpoint import Endpoint


async def unplug(endpoint: Endpoint) -> None:
    """Let a telephone say and hear nothing any more.

    Its port stays taken: another telephone that got it would answer Asterisk's questions in its place, and whoever
    sends there hears of no closed port, as of a machine that is not there.
    """
    transport = endpoint._transport
    assert transport is not None
    port = transport.get_extra_info("socket").dup()
    weakref.finalize(endpoint, port.close)
    await endpoint.close()
