"""The sets of Debian packages that Rappel fetches. Run as a module it writes their locks anew."""

from __future__ import annotations

import shutil
from pathlib import Path

from controller.runtime import elf
from controller.runtime.debian import PackageSet, write_lock
from controller.runtime.progress import MEGABYTE

SOUNDS = {"fr": "fr_CA_f_June", "en": "en_US_f_Allison"}


def _finish_asterisk(tree: Path, triplet: str) -> None:
    """Do what the packages' scripts would have done, and remove the modules whose libraries were left out."""
    sounds = tree / "usr/share/asterisk/sounds"
    for language, voice in SOUNDS.items():
        link = sounds / language
        if (sounds / voice).is_dir() and not link.exists():
            link.symlink_to(voice)
    libraries = tree / "usr/lib" / triplet
    modules = sorted(libraries.glob("asterisk/modules/*.so"))
    for module, _soname in elf.unloadable(modules, libraries):
        module.unlink()
    _link_loader(tree, "asterisk", "usr/sbin/asterisk")


def _finish_sipp(tree: Path, _triplet: str) -> None:
    _link_loader(tree, "sipp", "usr/bin/sipp")


def _link_loader(tree: Path, name: str, program: str) -> None:
    """Put a link to the tree's own dynamic loader, named like the program, into `run/`.

    The kernel names a process after the file that it executes, so `ps` shows the program and not the loader.
    """
    if not (tree / program).exists():
        raise FileNotFoundError(2, f"{program} is not among the unpacked packages", str(tree))
    loader = next(path for path in sorted((tree / "usr").glob("lib*/ld-linux-*.so.*")))
    links = tree / "run"
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir()
    (links / name).symlink_to(Path("..") / loader.relative_to(tree))


ASTERISK = PackageSet(
    name="asterisk",
    packages=(
        "asterisk",
        "asterisk-core-sounds-fr-g722",
        "asterisk-core-sounds-en-g722",
        "asterisk-moh-opsound-g722",
    ),
    # Needed by modules that we do not load, or by installation scripts that do not run. Kept on purpose: the
    # gcc base packages and libc-gconv-modules-extra (libc needs them at these exact versions).
    unwanted=(
        r"adduser",
        r"base-passwd",
        r"passwd",
        r"login\..*",
        r"debconf.*",
        r"libdebconf.*",
        r"perl.*",
        r"libperl.*",
        r"readline-common",
        r"tzdata",
        r"libpam.*",
        r"libaudit.*",
        r"libselinux.*",
        r"libsemanage.*",
        r"libsepol.*",
        r"openssl-provider-legacy",
        r"libcodec2.*",
        r"libcurl.*",
        r"libglib2.*",
        r"libgmime.*",
        r"libical.*",
        r"libiksemel.*",
        r"libjack.*",
        r"libjwt.*",
        r"libldap.*",
        r"liblua.*",
        r"libneon.*",
        r"libodbc.*",
        r"libogg.*",
        r"libopencore.*",
        r"libopusenc.*",
        r"libopusfile.*",
        r"libportaudio.*",
        r"libpq5",
        r"libradcli.*",
        r"libsnmp.*",
        r"libspandsp.*",
        r"libsybdb.*",
        r"libvo-amr.*",
        r"libvorbis.*",
    ),
    version=r"(\d+:)?22\..*",
    room=400 * MEGABYTE,
    finish=_finish_asterisk,
)

SIPP = PackageSet(
    name="sipp",
    packages=("sip-tester",),
    unwanted=(
        r"python3.*",
        r"debconf.*",
        r"perl.*",
        r"libdbus.*",
        r"openssl-provider-legacy",
    ),
    room=100 * MEGABYTE,
    finish=_finish_sipp,
)

ALL = (ASTERISK, SIPP)

if __name__ == "__main__":
    for chosen in ALL:
        write_lock(chosen)
