"""The audio of a whole release, ready for Asterisk; what is missing becomes findings with the place in the YAML."""

from __future__ import annotations

from pathlib import Path

from controller.calls.releases import AudioIndex
from controller.errors import FlowError
from controller.flow.commands import MediaId
from controller.flow.findings import Finding, Mark
from controller.flow.release import Release
from controller.flow.spoken.notices import NOTICES
from controller.speech.library import advice, missing, prepare


def prepare_release(folder: Path, cache_dir: Path, release: Release) -> AudioIndex:
    """Prepare everything `release` and the controller's own notices play; `folder` is the centre's.

    Raises `FlowError` naming every piece that is missing or broken, `ConfigError` when the cache is unusable.
    """
    notices = {f"say/{language}/{name}" for language, names in NOTICES.items() for name in names}
    notices |= {"tone/busy", "tone/congestion"}  # for agents whose customer was not reached
    prepared = prepare(folder, cache_dir, release.media() | notices)
    if prepared.problems:
        marks = _marks(release)
        findings = tuple(_finding(marks.get(each.media), each.message) for each in prepared.problems)
        raise FlowError(f"{len(findings)} prompts cannot be played: {findings[0]}", findings)
    media = release.media() | notices
    return {each: (prepared.path(each), prepared.duration_s(each)) for each in media}


def audio_findings(folder: Path, release: Release) -> tuple[Finding, ...]:
    """Return a finding for each piece without a file, reading no audio: what `rappel check` adds to a load."""
    marks = _marks(release)
    return tuple(_finding(marks.get(media), advice(folder, media)) for media in missing(folder, release.media()))


def _finding(mark: Mark | None, message: str) -> Finding:
    where = mark or Mark("centre.yaml")
    return Finding(where.file, where.line, where.column, "audio", message)


def _marks(release: Release) -> dict[MediaId, Mark]:
    """Where each piece of audio is named first."""
    found: dict[MediaId, Mark] = {}
    for flow in release.flows.values():
        for prompt in flow.prompts.values():
            for segments in prompt.segments.values():
                for segment in segments:
                    if isinstance(segment, tuple):
                        for media in segment:
                            found.setdefault(media, prompt.mark)
    return found
