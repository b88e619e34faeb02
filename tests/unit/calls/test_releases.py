"""The versions of the centre: put in force whole or not at all, kept for the calls that run on them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from controller.calls import releases as module
from controller.calls.releases import Releases, read_recordings, read_sources
from controller.errors import ConfigError, FlowError, StoreError
from controller.flow.release import Release
from controller.flow.yamltext import MAX_FILE_BYTES
from tests.unit.calls.world import ACCUEIL, FILES, World, audio, write_centre

BROKEN = "flow: accueil\nstart: nowhere\nsteps: {a: {type: sya}}\n"


def other(number: int) -> str:
    """A version of the flow that differs from all others."""
    return ACCUEIL.replace("flow: accueil", f"flow: accueil\ntitle: Version {number}")


class Archive:
    """A release archive in memory; `broken` makes it unreachable."""

    def __init__(self) -> None:
        self.sources: dict[str, Mapping[str, str]] = {}
        self.broken = False
        self.asked: list[str] = []

    async def load_release(self, release: str) -> Mapping[str, str] | None:
        self.asked.append(release)
        if self.broken:
            raise StoreError("Postgres is away")
        return self.sources.get(release)


async def edit(world: World, text: str, name: str = "accueil") -> bool:
    (world.folder / f"{name}.yaml").write_text(text, "utf-8")
    return await world.releases.reload()


async def test_a_good_change_comes_into_force(world: World):
    before = world.releases.current_hash
    with capture_logs() as logs:
        assert await edit(world, other(2))
    assert world.releases.current_hash != before
    assert world.releases.current.release.flows["accueil"].title == "Version 2"
    assert (world.releases.reloads, world.releases.failures) == (1, 0)
    assert [live.release.hash for live in world.in_force] == [before, world.releases.current_hash]
    (line,) = logs
    assert (line["event"], line["previous"]) == ("release.in_force", before)
    assert list(world.releases._live) == [world.releases.current_hash]


async def test_nothing_changed_is_no_reload(world: World):
    assert not await world.releases.reload()
    assert (world.releases.reloads, len(world.in_force)) == (0, 1)


async def test_a_change_with_findings_leaves_what_runs_in_force(world: World):
    before = world.releases.current
    with capture_logs() as logs:
        assert not await edit(world, BROKEN)
    assert world.releases.current is before
    assert world.releases.failures == 1
    assert "nowhere" in world.releases.last_error
    (line,) = logs
    assert (line["event"], line["kept"]) == ("release.refused", before.release.hash)
    assert any(finding.startswith("accueil.yaml:3:") for finding in line["findings"])
    assert not await edit(world, ACCUEIL)
    assert world.releases.last_error == ""


@pytest.mark.parametrize("error", [ConfigError("the cache folder cannot be written"), FlowError("no audio")])
async def test_audio_that_cannot_be_made_leaves_what_runs_in_force(world: World, monkeypatch, error: Exception):
    before = world.releases.current

    def prepare(_: Path, __: Release) -> None:
        raise error

    monkeypatch.setattr(world.releases, "_prepare", prepare)
    assert not await edit(world, other(2))
    assert world.releases.current is before
    assert world.releases.last_error == str(error)
    assert world.releases.failures == 1


async def test_a_recording_that_cannot_be_read_is_a_finding_not_a_crash(world: World, monkeypatch):
    """Editors and file synchronisers replace files while we read."""
    gone = world.folder / "prompts" / "fr" / "menu.wav"
    gone.parent.mkdir(parents=True)
    gone.symlink_to(gone.with_name("gone.wav"))
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    assert not await world.releases.reload()
    assert "menu.wav" in world.releases.last_error


async def test_a_call_keeps_its_version_until_it_ends(world: World):
    with world.releases.hold() as first, world.releases.hold(first.release.hash) as same:
        assert same is first
        await edit(world, other(2))
        assert world.releases.current is not first
        with world.releases.hold(first.release.hash) as again:
            assert again is first
        assert first.release.hash in world.releases._live
    assert list(world.releases._live) == [world.releases.current_hash]
    assert not world.releases._holds


async def test_the_version_in_force_stays_when_a_call_ends(world: World):
    with world.releases.hold() as live:
        pass
    assert world.releases.current is live


async def test_a_version_comes_back_from_disk(world: World):
    first = world.releases.current
    await edit(world, other(2))
    with world.releases.hold(first.release.hash) as revived:
        assert revived is not first
        assert revived.release.hash == first.release.hash
        assert revived.audio.path("say/fr/excuse") == first.audio.path("say/fr/excuse")
        assert revived.endpoint_for("201") == "PJSIP/alice"


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"sources": {"centre.yaml": "x"}, "recordings": {}, "audio": {}}']
)
async def test_a_version_that_cannot_be_read_back_is_unknown(world: World, content: bytes | None):
    name = "f" * 16
    path = world.releases._path(name)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FlowError), world.releases.hold(name):
        pass
    assert name not in world.releases._live


async def test_audio_of_an_older_program_is_prepared_again(world: World):
    """An index from before an update may lack what the new program plays."""
    name = world.releases.current_hash
    path = world.releases._path(name)
    stored = msgspec.json.decode(path.read_bytes())
    first, second = sorted(stored["audio"])[:2]
    del stored["audio"][first]
    for file, _ in stored["audio"].values():
        ready = world.folder / f"{file}.alaw"
        ready.parent.mkdir(exist_ok=True)
        ready.touch()
    path.write_bytes(msgspec.json.encode(stored))
    again = Releases(world.folder, path.parent, audio).load()
    assert again.audio.path(first)
    assert again.audio.path(second)


async def test_audio_made_from_other_fragments_is_prepared_again(world: World, tmp_path: Path):
    prepared: list[str] = []

    def prepare(_folder: Path, release: Release):
        prepared.append(release.hash)
        index = audio(tmp_path, release)
        for file, _ in index.values():
            Path(f"{file}.alaw").parent.mkdir(exist_ok=True)
            Path(f"{file}.alaw").touch()
        return index

    for edition, made in (("first", 1), ("first", 1), ("second", 2), ("second", 2)):
        Releases(world.folder, tmp_path / "kept", prepare, edition=edition).load()
        assert len(prepared) == made


async def test_a_version_of_another_node_is_fetched(tmp_path: Path, world: World):
    archive = Archive()
    archive.sources[world.releases.current_hash] = FILES
    second = World(tmp_path / "second", archive=archive)
    await edit(second, other(2))
    for path in (tmp_path / "second" / "store").glob("*.json"):
        path.unlink()
    await second.releases.fetch(world.releases.current_hash)
    with second.releases.hold(world.releases.current_hash) as live:
        assert live.release.hash == world.releases.current_hash
    await second.releases.fetch(world.releases.current_hash)
    await second.releases.fetch(second.releases.current_hash)
    assert archive.asked == [world.releases.current_hash]


async def test_a_version_that_was_fetched_is_not_the_last_good_one(tmp_path: Path, world: World):
    archive = Archive()
    archive.sources[world.releases.current_hash] = FILES
    second = World(tmp_path / "second", archive=archive)
    await edit(second, other(2))
    second.releases._path(world.releases.current_hash).unlink()
    await second.releases.fetch(world.releases.current_hash)
    (second.folder / "accueil.yaml").write_text(BROKEN)
    restarted = Releases(second.folder, tmp_path / "second" / "store", audio)
    assert restarted.load(last_good=True).release.hash == second.releases.current_hash


async def test_an_archive_that_is_away_or_knows_nothing(tmp_path: Path):
    archive = Archive()
    world = World(tmp_path, archive=archive)
    await world.releases.fetch("f" * 16)
    archive.broken = True
    with capture_logs() as logs:
        await world.releases.fetch("f" * 16)
    assert logs[0]["event"] == "release.not_fetched"
    with pytest.raises(FlowError), world.releases.hold("f" * 16):
        pass


async def test_the_last_good_version_serves_when_files_are_broken_at_start(world: World, tmp_path: Path):
    first = world.releases.current_hash
    await edit(world, other(2))
    second = world.releases.current_hash
    (world.folder / "accueil.yaml").write_text(BROKEN)
    restarted = Releases(world.folder, tmp_path / "store", audio)
    with pytest.raises(FlowError):
        restarted.load()
    with capture_logs() as logs:
        assert restarted.load(last_good=True).release.hash == second != first
    assert (logs[0]["event"], logs[0]["kept"]) == ("release.refused", second)
    assert (restarted.failures, "nowhere" in restarted.last_error) == (1, True)
    with restarted.hold() as live:
        assert live.release.flows["accueil"].title == "Version 2"
    (world.folder / "accueil.yaml").write_text(other(3))
    assert await restarted.reload()
    assert restarted.last_error == ""


async def test_the_last_good_version_is_looked_for_past_unreadable_ones(world: World, tmp_path: Path):
    good = world.releases.current_hash
    newer = world.releases._path("e" * 16)
    newer.write_bytes(b"half a fi")
    os.utime(newer, (2**31, 2**31))
    (world.folder / "accueil.yaml").write_text(BROKEN)
    with capture_logs() as logs:
        assert Releases(world.folder, tmp_path / "store", audio).load(last_good=True).release.hash == good
    assert any(line["event"] == "release.not_usable" for line in logs)


async def test_broken_files_at_the_very_first_start_are_told(tmp_path: Path):
    folder = write_centre(tmp_path / "centre", accueil=BROKEN)
    with pytest.raises(FlowError) as caught:
        Releases(folder, tmp_path / "store", audio).load(last_good=True)
    assert caught.value.findings
    with pytest.raises(FlowError, match="Give the folder"):
        Releases(tmp_path / "nowhere", tmp_path / "store", audio).load()


async def test_old_versions_are_forgotten_but_not_under_a_call(world: World, monkeypatch):
    monkeypatch.setattr(module, "_KEPT_ON_DISK", 3)
    store = world.releases._store
    with world.releases.hold() as held:
        for number in range(6):
            await edit(world, other(number))
            for age, path in enumerate(sorted(store.glob("*.json"), key=lambda p: p.stat().st_mtime)):
                os.utime(path, (age, age))  # the file system's clock is too coarse to tell them apart
        kept = {path.stem for path in store.glob("*.json")}
        assert held.release.hash in kept
        assert world.releases.current_hash in kept
        assert len(kept) <= 4


@pytest.mark.parametrize("trouble", ["mkdir", "replace", "unlink"])
async def test_a_disk_that_refuses_does_not_keep_a_version_from_serving(world: World, monkeypatch, trouble: str):
    monkeypatch.setattr(module, "_KEPT_ON_DISK", 1)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, trouble, refuse)
    with capture_logs() as logs:
        assert await edit(world, other(2))
    assert world.in_force[-1].release.flows["accueil"].title == "Version 2"
    if trouble != "unlink":
        (line,) = [line for line in logs if line["event"] == "release.not_kept"]
        assert "disk space" in line["do"]


async def test_files_are_read_no_further_than_their_limit(world: World):
    (world.folder / "accueil.yaml").write_bytes(b"# " + b"x" * (3 * MAX_FILE_BYTES))
    assert len(read_sources(world.folder)["accueil.yaml"]) == MAX_FILE_BYTES + 1
    assert not await world.releases.reload()
    assert "accueil.yaml:1" in world.releases.last_error


async def test_a_folder_full_of_files_is_refused_without_reading_all(world: World, monkeypatch):
    for number in range(400):
        (world.folder / f"flow_{number}.yaml").touch()
    assert len(read_sources(world.folder)) < 350
    assert not await world.releases.reload()
    assert "files" in world.releases.last_error


async def test_scenarios_and_other_files_are_not_the_centre_s(world: World):
    for name in ("accueil.test.yaml", "notes.txt", ".hidden.yaml.swp"):
        (world.folder / name).write_text("x")
    assert set(read_sources(world.folder)) == set(FILES)
    assert not await world.releases.reload()
    assert world.releases.failures == 0


async def test_a_changed_recording_is_a_new_version(world: World):
    prompt = world.folder / "prompts" / "fr" / "Menu.WAV"
    prompt.parent.mkdir(parents=True)
    prompt.write_bytes(b"one")
    first = read_recordings(world.folder)
    assert list(first) == ["fr/Menu"]
    assert await world.releases.reload()
    prompt.write_bytes(b"two")
    assert read_recordings(world.folder) != first
    assert await world.releases.reload()


async def test_reloads_take_turns(world: World):
    (world.folder / "accueil.yaml").write_text(other(2))
    done = await asyncio.gather(*(world.releases.reload() for _ in range(4)))
    assert sorted(done) == [False, False, False, True]
    assert world.releases.reloads == 1
