"""What media sound like, as text and as seconds: for a simulator that plays nothing."""

from __future__ import annotations

from collections.abc import Iterable

from controller.flow.commands import MediaId
from controller.flow.release import Release
from controller.flow.spoken import FRAGMENTS
from controller.flow.spoken.notices import NOTICES
from controller.ports import AudioLibrary

WORD_S = 0.35
"""How long a word takes, where the audio is not there to tell."""
RECORDING_S = 3.0
"""How long a recording takes, where the audio is not there to tell."""


class Wording:
    """The words behind the media of one release, and how long they take."""

    def __init__(self, release: Release, audio: AudioLibrary | None = None) -> None:
        self._audio = audio
        self._texts = {media: text for _, text, media in release.texts()}
        for language, fragments in FRAGMENTS.items():
            self._texts |= {f"say/{language}/{name}": text for name, text in fragments.items()}
        for language, notices in NOTICES.items():
            self._texts |= {f"say/{language}/{name}": text for name, text in notices.items()}

    def text(self, media: Iterable[MediaId]) -> str:
        """Return what a caller hears; recordings by their names in angle brackets, silence as an ellipsis."""
        return " ".join(self._word(each) for each in media)

    def seconds(self, media: Iterable[MediaId]) -> float:
        """Return how long it lasts: as the audio library says, else by the number of words."""
        return sum(self._seconds(each) for each in media)

    def _word(self, media: MediaId) -> str:
        if media.startswith("silence/"):
            return "…"
        return self._texts.get(media, f"<{media}>")

    def _seconds(self, media: MediaId) -> float:
        kind, _, rest = media.partition("/")
        if kind == "silence":
            return int(rest) / 1000
        if self._audio is not None:
            try:
                return self._audio.duration_s(media)
            except KeyError:
                pass  # not prepared yet: the estimate has to do
        text = self._texts.get(media)
        return RECORDING_S if text is None else WORD_S * len(text.split())
