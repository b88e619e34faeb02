"""Prompts for tests: short, each unmistakable for another, so that a test can say which one was heard."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SECONDS = {
    "bienvenue": 1.0,
    "menu": 1.6,
    "sous_menu": 1.4,
    "encore": 0.9,
    "invalide": 0.8,
    "bravo": 1.1,
    "au_revoir": 0.7,
    "longue": 2.5,
}


def write_prompts(folder: Path) -> None:
    """Write `prompts/<lang>/<name>.wav` for every name, in both languages."""
    for language in ("fr", "en"):
        target = folder / "prompts" / language
        target.mkdir(parents=True, exist_ok=True)
        for name, seconds in SECONDS.items():
            soundfile.write(target / f"{name}.wav", sound(f"{language}/{name}", seconds), RATE, subtype="PCM_16")


def sound(name: str, seconds: float) -> np.ndarray:
    """Return noise in the telephone band with the rhythm of syllables, always the same for the same name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    random = np.random.default_rng(seed)
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(frequencies < 350) | (frequencies > 2800)] = 0
    noise = np.fft.irfft(spectrum, count)
    rhythm = 0.65 + 0.35 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE)
    return (0.3 * noise / np.abs(noise).max() * rhythm).astype(np.float32)
