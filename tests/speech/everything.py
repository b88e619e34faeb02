"""Listens to every prompt and every fragment there is and prints what was not understood: minutes, for a release.

Run as `python -m tests.speech.everything`. Exit code 1 when a language is understood less than it should be.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from controller.speech.release import prepare_release
from tests.speech.recognition import Listener, Piece
from tests.speech.samples import CENTRE, Sample, notices, prompts, release, sequence

MOST_ERRORS = 0.15


def values(language: str) -> Iterator[Sample]:
    """Yield spoken values that use, between them, all fragments a caller may hear."""
    for number in range(100):
        yield sequence(language, "amount", f"{number}.{(number * 37) % 100:02}")
    for hundreds in range(100, 1000, 100):
        yield sequence(language, "amount", f"{hundreds}.00")
        yield sequence(language, "number", f"{hundreds + 34}")
        yield sequence(language, "number", f"{hundreds * 1000 + 61}")
    for thousands in (1, 6, 8, 10, 18, 26, 48, 66, 78, 98):
        yield sequence(language, "number", f"{thousands * 1000 + 205}")
    for day in range(1, 32):
        yield sequence(language, "date", f"2026-{(1, 3, 5, 7, 8, 10, 12)[day % 7]:02}-{day:02}")
    for month in range(1, 13):
        yield sequence(language, "date", f"2027-{month:02}-14")
    for hour in range(24):
        yield sequence(language, "time", f"{hour:02}:{(hour * 7) % 60:02}")
    for phone in ("+33353014710", "0199004730", "0639980127", "0465719286"):
        yield sequence(language, "phone", phone)
    yield sequence(language, "digits", "12345*67890#")


def main() -> int:
    """Listen, print, judge."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rappel" / "recognition"
    centre = release()
    poor = 0
    with tempfile.TemporaryDirectory() as folder:
        audio = prepare_release(CENTRE, Path(folder), centre)
        listener = Listener(cache)
        for language in ("fr", "en"):
            spoken = [sample for sample in (*prompts(centre), *notices()) if sample.language == language]
            for kind, samples in (("prompts", spoken), ("values", list(values(language)))):
                pieces = [Piece(one.name, tuple(audio[each][0] for each in one.media), one.text) for one in samples]
                heard = listener.check_all(pieces, language)
                for one in heard:
                    if one.errors > MOST_ERRORS:
                        print(f"  {one.errors:.2f} {one.media}: {one.text!r} was heard as {one.heard!r}")
                rate = sum(one.errors for one in heard) / len(heard)
                whole = sum(one.errors == 0 for one in heard)
                print(
                    f"{language} {kind}: {whole} of {len(heard)} word for word, word error rate {rate:.3f}",
                    flush=True,
                )
                poor += rate > MOST_ERRORS
    return 1 if poor else 0


if __name__ == "__main__":
    sys.exit(main())
