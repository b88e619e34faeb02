"""Chromium without root: the machine's own when it has one, else Debian's, fetched as Asterisk is."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from controller.runtime import debian
from controller.runtime.debian import PackageSet
from controller.runtime.progress import MEGABYTE

SETTING = "RAPPEL_TEST_CHROMIUM"
"""Names the program to test with; `fetched` for Debian's."""
PROGRAMS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)
"""Nothing leaves the machine, and the microphone is a made-up one."""

_PLACE = Path("usr/lib/chromium")
_FONTS = """<?xml version="1.0"?>
<fontconfig><dir>{fonts}</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
"""
# A child of Chromium is started by the program's own name, which here is the loader's: hence the wrapper again, and
# no zygote. The loader is a copy beside the program, since Chromium looks for its data where its executable lies.
_WRAPPER = """#!/bin/sh
export FONTCONFIG_FILE="{tree}/fonts.conf"
exec "{place}/chromium-loader" --library-path "{libraries}:{libraries}/pulseaudio" \\
  "{place}/chromium-headless-shell" --no-zygote --browser-subprocess-path="{tree}/chromium" "$@"
"""


@dataclass(frozen=True)
class _ForTests(PackageSet):
    @property
    def lock(self) -> Path:
        """Beside this module: no user of Rappel needs a browser from us."""
        return Path(__file__).parent / "locks" / f"{self.name}.lock"


def _finish(tree: Path, triplet: str) -> None:
    loader = next(path for path in sorted((tree / "usr").glob("lib*/ld-linux-*.so.*")))
    shutil.copy(loader.resolve(), tree / _PLACE / "chromium-loader")
    (tree / "triplet").write_text(triplet, encoding="utf-8")


CHROMIUM = _ForTests(
    name="chromium",
    packages=("chromium-headless-shell", "fonts-dejavu-core"),
    # What shows windows, and what a graphics card needs: this one draws in software, into memory.
    unwanted=(
        r"debconf.*",
        r"perl.*",
        r"xdg-utils",
        r"x11-utils",
        r"x11-common",
        r"libllvm.*",
        r"libz3.*",
        r"mesa-.*",
        r"libgl1.*",
        r"libglx.*",
        r"libvulkan.*",
        r"libdrm-(intel|amdgpu).*",
        r"libxaw.*",
        r"libxt.*",
        r"libxmu.*",
    ),
    room=700 * MEGABYTE,
    finish=_finish,
)


def find() -> Path:
    """Return a program that is Chromium; raises `SetupError` when there is none and none can be fetched."""
    chosen = os.environ.get(SETTING, "")
    if chosen and chosen != "fetched":
        return Path(chosen)
    found = None if chosen else next(filter(None, map(shutil.which, PROGRAMS)), None)
    return Path(found) if found else _fetched()


def _fetched() -> Path:
    tree = debian.install(CHROMIUM)
    wrapper = tree / "chromium"
    place = tree / _PLACE
    libraries = tree / "usr/lib" / (tree / "triplet").read_text(encoding="utf-8")
    text = _WRAPPER.format(tree=tree, place=place, libraries=libraries)
    if not wrapper.exists() or wrapper.read_text(encoding="utf-8") != text:
        # Written where the tree lies now, by a rename: another process may run it.
        (tree / "fonts.conf").write_text(_FONTS.format(fonts=tree / "usr/share/fonts"), encoding="utf-8")
        part = tree / f".chromium-{os.getpid()}"
        part.write_text(text, encoding="utf-8")
        part.chmod(0o755)
        part.replace(wrapper)
    return wrapper


if __name__ == "__main__":
    if "lock" in sys.argv[1:]:
        debian.write_lock(CHROMIUM)
    print(find())
