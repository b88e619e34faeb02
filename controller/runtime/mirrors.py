"""Where this machine gets its Debian packages from, read from its own apt sources.

Rappel names no mirror: whoever installed the machine chose one that is reachable from here (a company's
proxy, a country's mirror), and the same archive carries the suite that has Asterisk 22.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from controller.errors import SetupError

MIRROR_SETTING = "RAPPEL_DEBIAN_MIRROR"
_APT = Path("/etc/apt")
# Suites of the Debian archive itself. Others publish under these names too (a vendor's "bookworm main"), so a
# match is only a candidate; the signature on the index decides.
_SUITES = frozenset(
    {"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid"}
    | {"bullseye", "bookworm", "trixie", "forky", "duke"}
)
_SCHEMES = ("http:", "https:", "file:", "copy:", "mirror+", "mirror:", "tor+")
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<parts>.+)$")


def candidates(environ: Mapping[str, str] | None = None, apt_dir: Path = _APT) -> list[str]:
    """Return the addresses of Debian archives to try, best first.

    `RAPPEL_DEBIAN_MIRROR` stands alone when it is set. Raises `SetupError` when neither it nor the machine's
    apt sources name an archive.
    """
    environ = os.environ if environ is None else environ
    if chosen := environ.get(MIRROR_SETTING, "").strip():
        return [chosen]
    found: dict[str, int] = {}
    for uri, signed_by in _entries(apt_dir):
        rank = 0 if uri.rstrip("/").endswith("/debian") else 1
        rank -= 2 * ("debian-archive" in signed_by)
        found[uri] = min(rank, found.get(uri, rank))
    if not found:
        raise SetupError(
            f"No Debian archive stands in {apt_dir}/sources.list or {apt_dir}/sources.list.d. Set"
            f" {MIRROR_SETTING} to the address of a Debian mirror, install Asterisk 22 or later yourself, or set"
            " RAPPEL_ARI_URL to a running one."
        )
    return sorted(found, key=lambda uri: found[uri])


def _entries(apt_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield address and key file of each enabled entry that looks like the Debian archive."""
    files = [apt_dir / "sources.list", *sorted((apt_dir / "sources.list.d").glob("*"))]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if file.suffix == ".sources":
            yield from _deb822(text)
        elif file.suffix == ".list":
            yield from _one_line(text)


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#", 1)[0].strip())
        if match and _is_debian(match["uri"], [match["suite"]], match["parts"].split()):
            yield match["uri"], match["options"] or ""


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            if _is_debian(uri, fields.get("suites", "").split(), fields.get("components", "").split()):
                yield uri, fields.get("signed-by", "")


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def _is_debian(uri: str, suites: Iterable[str], components: Iterable[str]) -> bool:
    return uri.startswith(_SCHEMES) and "main" in components and not _SUITES.isdisjoint(suites)
