"""How one piece of audio is named, from the flows to the telephone."""

from __future__ import annotations

MediaId = str
"""Names one piece of audio: `<lang>/<prompt file>`, `<lang>/tts/<slug>.<hash>`, `say/<lang>/<fragment>`
or `silence/<milliseconds>`; the audio library of the driver's side knows where it lies. `recording/<number>` is the
call's own recording of that number (`Record`), `message/<name>` a voice message laid out by `HearMessage`."""
