"""Renders the templates of `asterisk-conf/`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jinja2

from controller.errors import SetupError

_PACKAGED = Path(__file__).parent / "asterisk-conf"
_CHECKOUT = Path(__file__).parents[2] / "asterisk-conf"
# What would end a line, a section or a value of Asterisk's configuration and begin another.
_FORBIDDEN = frozenset("\r\n\0;[]{}")
_MARK = b"Rendered by Rappel from asterisk-conf/"
_HEAD = 1024
_ADDRESS = frozenset("0123456789abcdefABCDEF:.[]")


def templates() -> Path:
    """Return the folder of the templates: in the installed package, else in the checkout."""
    for folder in (_PACKAGED, _CHECKOUT):
        if folder.is_dir():
            return folder
    raise SetupError(f"The Asterisk templates are missing ({_CHECKOUT}). Install Rappel again.")


def render_folder(into: Path, values: dict[str, object], source: Path | None = None) -> None:
    """Render every template of `source` into the folder `into`, mode 0600, and drop files of earlier templates.

    Raises `SetupError` for a value that would change the file's structure, and for a name that no value has.
    """
    source = source if source is not None else templates()
    environment = jinja2.Environment(  # noqa: S701 - Asterisk's own format; every value is checked by _checked
        loader=jinja2.FileSystemLoader(source),
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
        finalize=_checked,
        keep_trailing_newline=True,
    )
    wanted: set[str] = set()
    for template in sorted(source.glob("*.j2")):
        name = template.name.removesuffix(".j2")
        wanted.add(name)
        try:
            text = environment.get_template(template.name).render(values)
        except jinja2.TemplateError as error:
            raise SetupError(f"{template}: {error}. Restore the template from the release.") from error
        write_private(into / name, text)
    for left_over in into.glob("*.conf"):
        # Only what was rendered by us: the folder may be an Asterisk's own.
        if left_over.name not in wanted and _MARK in left_over.read_bytes()[:_HEAD]:
            left_over.unlink()


def _checked(value: Any) -> Any:
    text = str(value)
    if not _FORBIDDEN.isdisjoint(text) and not _ADDRESS.issuperset(text):
        raise SetupError(
            f"{text!r} cannot stand in Asterisk's configuration: line breaks, ';', brackets and braces are not"
            " allowed. Change the setting."
        )
    return value


def write_private(path: Path, text: str) -> None:
    """Write `text` anew as a file that its owner alone can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
