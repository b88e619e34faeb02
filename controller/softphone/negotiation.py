"""Which audio a call agrees on (RFC 3264): our description, and what follows from the other side's."""

from __future__ import annotations

from dataclasses import replace

from controller.softphone import sdp
from controller.softphone.media import MediaSession

_THEY_ARE_SILENT = {sdp.Direction.SENDONLY, sdp.Direction.INACTIVE}


class Negotiation:
    """Our description of a call's audio, in force since the last offer and answer, and the media that follows it."""

    def __init__(self, media: MediaSession, codecs: tuple[sdp.Codec, ...]) -> None:
        self.codecs = codecs
        self.media = media
        self.mine = sdp.Audio(*media.address, codecs)

    def offer(self, direction: sdp.Direction) -> sdp.Audio:
        """Return a new offer; once it is accepted, `mine` is to become it."""
        identity, version = self.mine.session
        return replace(self.mine, direction=direction, session=(identity, version + 1))

    def answer(self, offer: sdp.Audio) -> None:
        """Answer the first offer: `mine` is the answer. Raise `SdpError` when no codec is common."""
        self.mine = sdp.answer(self.mine, offer)

    def answer_again(self, body: bytes) -> None:
        """Answer a later offer and follow it; raise `SdpError`, nothing changed, when it cannot be accepted."""
        offer = sdp.parse(body)
        identity, version = self.mine.session
        mine = replace(self.mine, codecs=self.codecs, session=(identity, version + 1))
        self.mine = sdp.answer(mine, offer)
        self.media.receive_with((*self.codecs, *self.mine.codecs))
        self.follow(offer)

    def accept(self, body: bytes) -> bool:
        """Follow the answer to an offer of ours; false when it has no codec we know."""
        try:
            self.follow(sdp.parse(body))
        except sdp.SdpError:
            return False
        return True

    def follow(self, theirs: sdp.Audio) -> None:
        """Send where and what `theirs` asks for; raise `SdpError` when no codec is common."""
        voice, event = sdp.negotiate(self.codecs, theirs)
        sending = theirs.direction not in _THEY_ARE_SILENT and theirs.port != 0
        self.media.send_to((theirs.host, theirs.port), voice, event, sending=sending)
