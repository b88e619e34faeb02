"""Recognises which known prompts were heard, where, and how much of each.

A prompt is found by the beginning of its speech (normalised cross-correlation by FFT), then followed block by
block to see how far it was heard: a digit may have cut it. What nothing explains yet is matched the other way
round, its beginning against the beginnings of all prompts: that finds prompts cut within half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.softphone.g711 import Samples, from_alaw
from controller.softphone.sound import RATE, Span, sounding

Floats = NDArray[np.float32]
_HEAD = RATE // 2
"""How much of a prompt's beginning is searched for: long enough to be unique, short enough to survive."""
_BLOCK = RATE // 25
_FFT = 16_384
_QUIET_RMS = 100.0  # about -50 dBFS: below, A-law noise decides the correlation
_FAINT_RMS = 25.0
_MAX_HITS = 200
_DRIFT = RATE // 50
_ONSET = RATE // 4
"""How late after a prompt's beginning a piece may begin: a soft onset can sink into what was said before."""
_SHORTEST = RATE // 10
_COMPLETE = 0.97
_BLOCK_MATCH = 0.6
_LOST_BLOCKS = 5
_SURE = 0.92
"""The correlation asked of the shortest evidence."""


@dataclass(frozen=True, slots=True)
class HeardPrompt:
    """One prompt that was heard. Times are seconds on the timeline of the audio given to `Ear.listen`.

    `start_s` is where its first sample stands, `end_s` where it was last heard; `fraction` of its spoken
    length was heard (0 to 1); `score` is the correlation of what was heard with the original (0 to 1).
    """

    name: str
    start_s: float
    end_s: float
    fraction: float
    score: float

    @property
    def complete(self) -> bool:
        """Whether it was heard to its end."""
        return self.fraction >= _COMPLETE


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    samples: Floats
    first: int  # first and last sample of speech
    last: int

    @property
    def head(self) -> Floats:
        return self.samples[self.first : min(self.first + _HEAD, self.last)]


@dataclass(frozen=True, slots=True)
class _Candidate:
    prompt: _Known
    start: int  # of the prompt's sample 0 on the timeline; may be negative
    end: int
    matched: int
    voiced: int
    score: float

    @property
    def weight(self) -> float:
        """How much is explained; of two that begin alike, the one heard to its end is meant."""
        return self.matched * self.score - (0 if self.matched == self.voiced else 2 * _BLOCK)


class Ear:
    """Knows prompts by name; `listen` finds them in received audio.

    `threshold` is the least correlation that counts as the same recording: identical A-law gives 1.0, a
    detour through G.722 or GSM 0.8 and more, another sentence by the same voice below 0.4.
    Prompts without 0.1 s of sound are not listened for.
    """

    def __init__(self, prompts: Mapping[str, Samples], *, threshold: float = 0.65) -> None:
        self._threshold = threshold
        self._known: list[_Known] = []
        for name, samples in prompts.items():
            spans = sounding(samples, threshold_dbfs=-50.0, join_s=10.0)
            if spans and spans[-1].end_s - spans[0].start_s >= _SHORTEST / RATE:
                first, last = int(spans[0].start_s * RATE), int(spans[-1].end_s * RATE)
                self._known.append(_Known(name, samples.astype(np.float32), first, last))

    @property
    def names(self) -> list[str]:
        """The prompts that are listened for."""
        return [prompt.name for prompt in self._known]

    def only(self, wanted: Callable[[str], bool]) -> Ear:
        """Return an ear for the prompts whose name `wanted` accepts."""
        ear = Ear({}, threshold=self._threshold)
        ear._known = [prompt for prompt in self._known if wanted(prompt.name)]
        return ear

    def listen(self, samples: Samples) -> list[HeardPrompt]:
        """Return the prompts heard in `samples` (8 kHz), in order of their beginning."""
        if not sounding(samples):
            return []
        audio = samples.astype(np.float32)
        accepted = self._choose(self._search(audio))
        rest = [span for span in _unexplained(samples, accepted) if span.duration_s * RATE >= _SHORTEST]
        accepted = self._choose([*accepted, *self._search_beginnings(audio, rest)])
        found = [_heard(candidate) for candidate in accepted]
        return sorted(found, key=lambda prompt: prompt.start_s)

    def _search(self, audio: Floats) -> list[_Candidate]:
        spectra, hop = _spectra(audio)
        energy = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64))))
        scales: dict[int, Floats] = {}
        candidates: list[_Candidate] = []
        for prompt in self._known:
            head = prompt.head
            size = len(head)
            if size > len(audio):
                continue
            if size not in scales:
                scales[size] = _scale(energy, size)
            spectrum = np.conj(np.fft.rfft(head / np.linalg.norm(head), _FFT)).astype(np.complex64)
            blocks = np.fft.irfft(spectra * spectrum, _FFT, axis=1)[:, :hop]
            correlation: Floats = blocks.reshape(-1)[: len(audio) - size + 1].astype(np.float32, copy=False)
            correlation *= scales[size]
            for position in _peaks(correlation, self._threshold, _SHORTEST):
                candidate = _follow(audio, prompt, position - prompt.first, self._threshold)
                if candidate is not None:
                    candidates.append(candidate)
        return candidates

    def _search_beginnings(self, audio: Floats, spans: Iterable[Span]) -> list[_Candidate]:
        """Match the beginning of each unexplained span with the beginnings of all prompts."""
        found: list[_Candidate] = []
        for span in spans:
            start, stop = int(span.start_s * RATE), int(span.end_s * RATE)
            piece = audio[start : min(stop, start + _HEAD)]
            for prompt in self._known:
                lead = prompt.first - _DRIFT  # the span begins on a grid of 20 ms, up to one step early
                region = prompt.samples[max(0, lead) : prompt.first + len(piece) + _ONSET]
                region = np.pad(region, (max(0, -lead), 0))
                lag = _best_lag(region, piece, self._threshold)
                if lag is not None:
                    candidate = _follow(audio, prompt, start - lead - lag, self._threshold)
                    if candidate is not None:
                        found.append(candidate)
        return found

    def _choose(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Keep the candidates that explain most; one that overlaps a better one by a third goes."""
        chosen: list[_Candidate] = []
        ordered = sorted(candidates, key=lambda c: (-c.weight, c.start))
        for candidate in ordered:
            begin = candidate.start + candidate.prompt.first
            size = max(1, candidate.end - begin)
            if all(min(o.end, candidate.end) - max(o.start + o.prompt.first, begin) < size / 3 for o in chosen):
                chosen.append(candidate)
        return chosen


def load_prompts(paths: Mapping[str, Path]) -> dict[str, Samples]:
    """Read prompts: `paths` gives each name its file, `.alaw` or `.sln`/`.sln8` (8 kHz) or `.sln16`.

    A path without an extension gets `.alaw`. 16 kHz is halved with a short low-pass.
    """
    prompts: dict[str, Samples] = {}
    for name, given in paths.items():
        path = given if given.suffix in {".alaw", ".sln", ".sln8", ".sln16"} else Path(f"{given}.alaw")
        data = path.read_bytes()
        if path.suffix == ".alaw":
            prompts[name] = from_alaw(data)
            continue
        samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)
        prompts[name] = _halved(samples) if path.suffix == ".sln16" else samples
    return prompts


def _halved(samples: Samples) -> Samples:
    taps = np.sinc(np.arange(-31, 32) * 0.47) * np.hamming(63)
    filtered = np.convolve(samples.astype(np.float64), taps / taps.sum(), mode="same")
    return np.clip(np.rint(filtered[::2]), -32768, 32767).astype(np.int16)


def _spectra(audio: Floats) -> tuple[NDArray[np.complex64], int]:
    """Return the spectra of overlapping blocks of `audio`, and by how many samples they step (overlap-save)."""
    hop = _FFT - _HEAD
    count = -(-len(audio) // hop)
    padded = np.zeros((count - 1) * hop + _FFT, dtype=np.float32)
    padded[: len(audio)] = audio
    blocks = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::hop]
    return np.fft.rfft(blocks, axis=1).astype(np.complex64), hop


def _scale(energy: NDArray[np.float64], size: int) -> Floats:
    """Return what to multiply a correlation of `size` samples with, for each position in the audio."""
    window = np.sqrt(np.maximum(energy[size:] - energy[:-size], 0.0))
    return np.reciprocal(np.maximum(window, _faint(size))).astype(np.float32)


def _faint(size: int) -> float:
    """Return the norm below which `size` samples count as nothing: idle noise resembles everything a little."""
    return _FAINT_RMS * float(np.sqrt(size))


def _peaks(values: Floats, threshold: float, apart: int) -> list[int]:
    """Return the positions of the highest values over `threshold`, at least `apart` from each other."""
    over = np.flatnonzero(values >= threshold)
    if not len(over):
        return []
    groups = np.split(over, np.flatnonzero(np.diff(over) > apart) + 1)
    return [int(group[np.argmax(values[group])]) for group in groups[:_MAX_HITS]]


def _best_lag(region: Floats, piece: Floats, threshold: float) -> int | None:
    """Return where `piece` stands in `region`, or None when it correlates less than `threshold`."""
    if len(region) < len(piece):
        piece = piece[: max(_SHORTEST, len(region) - 2 * _DRIFT)]
    if len(region) < len(piece):
        return None
    size = 1 << (len(region) - 1).bit_length()
    spectrum = np.fft.rfft(region, size) * np.conj(np.fft.rfft(piece, size))
    correlation = np.fft.irfft(spectrum, size)[: len(region) - len(piece) + 1]
    energy = np.concatenate(([0.0], np.cumsum(np.square(region, dtype=np.float64))))
    window = np.maximum(np.sqrt(energy[len(piece) :] - energy[: -len(piece)]), _faint(len(piece)))
    scores = correlation / (window * float(np.linalg.norm(piece)))
    best = int(np.argmax(scores))
    return best if scores[best] >= threshold else None


def _follow(audio: Floats, prompt: _Known, start: int, threshold: float) -> _Candidate | None:
    """Compare `prompt`, its sample 0 at `start`, with the audio block by block; None when too little matches."""
    begin = prompt.first
    blocks = max(1, -(-(prompt.last - begin) // _BLOCK))
    scores = np.zeros(blocks)
    voiced = np.zeros(blocks, dtype=bool)
    position, lost = start, 0
    for index in range(blocks):
        low = begin + index * _BLOCK
        original = prompt.samples[low : min(low + _BLOCK, prompt.last)]
        voiced[index] = float(np.sqrt(np.mean(np.square(original)))) > _QUIET_RMS
        if not voiced[index]:
            continue
        scores[index] = _similar(original, audio, position + low)
        if scores[index] < _BLOCK_MATCH:
            position, scores[index] = _relocated(prompt, audio, low, position, scores[index])
        lost = 0 if scores[index] >= _BLOCK_MATCH else lost + 1
        if lost > _LOST_BLOCKS:
            break
    matched = voiced & (scores >= _BLOCK_MATCH)
    if not matched.any():
        return None
    last = int(np.flatnonzero(matched)[-1])
    score = float(scores[: last + 1][voiced[: last + 1]].mean())
    evidence = int(matched.sum()) * _BLOCK
    if evidence < _SHORTEST / 2 or score < _needed(threshold, evidence):
        return None
    end = min(begin + (last + 1) * _BLOCK, prompt.last)
    if last == int(np.flatnonzero(voiced)[-1]):
        end = prompt.last
    return _Candidate(prompt, start, position + end, end - begin, prompt.last - begin, score)


def _needed(threshold: float, evidence: int) -> float:
    """Return the correlation that `evidence` samples must reach: a short piece of a vowel fits many others."""
    return threshold + (_SURE - threshold) * max(0.0, 1 - evidence / _HEAD)


def _similar(original: Floats, audio: Floats, at: int) -> float:
    if at < 0 or at + len(original) > len(audio):
        return 0.0
    piece = audio[at : at + len(original)]
    norm = float(np.linalg.norm(original)) * max(float(np.linalg.norm(piece)), _faint(len(piece)))
    return float(np.dot(original, piece)) / norm


def _relocated(prompt: _Known, audio: Floats, low: int, position: int, score: float) -> tuple[int, float]:
    """Look for the next 100 ms of the prompt up to 20 ms aside: lost or late packets shift the rest."""
    original = prompt.samples[low : min(low + _SHORTEST, prompt.last)]
    at = position + low - _DRIFT
    region = audio[max(0, at) : position + low + len(original) + _DRIFT]
    if len(original) < _BLOCK or len(region) < len(original):
        return position, score
    lag = _best_lag(region, original, _BLOCK_MATCH)
    if lag is None:
        return position, score
    moved = max(0, at) + lag - low
    return moved, _similar(prompt.samples[low : min(low + _BLOCK, prompt.last)], audio, moved + low)


def _unexplained(samples: Samples, accepted: Sequence[_Candidate]) -> list[Span]:
    rest = samples.copy()
    for candidate in accepted:
        heard_out = candidate.end - candidate.start >= candidate.prompt.last
        end = candidate.start + len(candidate.prompt.samples) if heard_out else candidate.end
        rest[max(0, candidate.start) : end] = 0
    return sounding(rest, threshold_dbfs=-50.0, join_s=0.1)


def _heard(candidate: _Candidate) -> HeardPrompt:
    return HeardPrompt(
        name=candidate.prompt.name,
        start_s=candidate.start / RATE,
        end_s=candidate.end / RATE,
        fraction=candidate.matched / candidate.voiced,
        score=round(min(1.0, candidate.score), 3),
    )
