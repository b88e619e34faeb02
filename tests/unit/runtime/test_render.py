from __future__ import annotations

import dataclasses
import re
import stat
from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime import render
from controller.runtime.asterisk import AsteriskInstall, AsteriskPaths, template_values
from controller.runtime.secrets import load
from controller.runtime.settings import Softphone, StackSettings, Trunk


def rendered(tmp_path: Path, **changes: object) -> dict[str, str]:
    settings = dataclasses.replace(StackSettings(state_dir=tmp_path), **changes)
    install = AsteriskInstall(("asterisk",), Path("/modules"), Path("/data"), "22.10.1", fetched=False)
    paths = AsteriskPaths.under(tmp_path / "asterisk", install)
    paths.make()
    secrets = load(settings.secrets_file, [phone.extension for phone in settings.softphones])
    render.render_folder(paths.etc, template_values(settings, secrets, paths))
    return {path.name: path.read_text() for path in paths.etc.iterdir()}


def context(text: str, name: str) -> str:
    return text.split(f"[{name}]\n", 1)[1].split("\n[", 1)[0]


def test_every_template_explains_itself_and_is_private(tmp_path: Path) -> None:
    files = rendered(tmp_path)
    for name, text in files.items():
        assert text.startswith(f"; {name}: "), name
        assert "{{" not in text
        assert stat.S_IMODE((tmp_path / "asterisk/etc" / name).stat().st_mode) == 0o600


def test_every_door_is_on_loopback_by_default(tmp_path: Path) -> None:
    files = rendered(tmp_path)
    binds = re.findall(r"^(?:bind|bindaddr) = (\S+)", "\n".join(files.values()), re.MULTILINE)
    assert len(binds) == 4
    assert all(bind.startswith("127.0.0.1") for bind in binds)


def test_the_contexts_that_calls_come_in_by_have_no_way_out(tmp_path: Path) -> None:
    text = rendered(tmp_path)["extensions.conf"]
    assert "include" not in re.sub(r"^;.*$", "", text, flags=re.MULTILINE)
    assert "Dial(" not in context(text, "from-trunk")
    dials = re.findall(r"Dial\(([^)]*)\)", re.sub(r"^;.*$", "", text, flags=re.MULTILINE))
    assert dials
    for dial in dials:
        assert dial.startswith("PJSIP/${EXTEN},")
        assert dial.endswith(",i")


def test_nobody_may_make_us_dial_by_transfer(tmp_path: Path) -> None:
    text = rendered(tmp_path)["pjsip.conf"]
    assert text.count("allow_transfer") == 1
    assert text.count("(endpoint-common)") == 3
    assert "identify_by = ip" in text.split("[trunk](endpoint-common)", 1)[1].split("\n[", 1)[0]


def test_the_observers_account_can_change_nothing(tmp_path: Path) -> None:
    text = rendered(tmp_path)["manager.conf"]
    assert re.findall(r"^write = (.*)$", text, re.MULTILINE) == ["reporting"]


def test_modules_are_listed_one_by_one(tmp_path: Path) -> None:
    text = rendered(tmp_path)["modules.conf"]
    assert "autoload = no" in text
    names = re.findall(r"^(?:load|require) = (\S+)$", text, re.MULTILINE)
    assert len(names) == len(set(names))


def test_a_trunk_with_a_login_and_a_nat(tmp_path: Path) -> None:
    trunk = Trunk(networks=("203.0.113.7/32",), contact="sip:carrier.example", username="u", password="p" * 12)
    text = rendered(tmp_path, trunk=trunk, external_address="198.51.100.4", local_networks=("192.168.0.0/16",))[
        "pjsip.conf"
    ]
    assert "match = 203.0.113.7/32\n" in text
    assert "outbound_auth = trunk\n" in text
    assert text.count("external_media_address = 198.51.100.4\n") == 2
    assert text.count("local_net = 192.168.0.0/16\n") == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"language": "fr\nexten => x"},
        {"system_name": "a;b"},
        {"softphones": (Softphone("1001", "Alice]\n[evil"),)},
        {"trunk": Trunk(networks=("127.0.0.1\nmatch = 0.0.0.0/0",))},
    ],
)
def test_a_value_that_would_change_the_structure_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(SetupError, match="cannot stand in Asterisk's configuration"):
        rendered(tmp_path, **changes)


def test_files_of_earlier_templates_go(tmp_path: Path) -> None:
    rendered(tmp_path)
    etc = tmp_path / "asterisk/etc"
    (etc / "old.conf").write_text("; old.conf\n; Rendered by Rappel from asterisk-conf/old.conf.j2.\n")
    (etc / "theirs.conf").write_text("[general]\n")
    assert "old.conf" not in rendered(tmp_path)
    assert (etc / "theirs.conf").exists()


def test_an_unknown_name_in_a_template_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.conf.j2").write_text("{{ nothing }}")
    with pytest.raises(SetupError, match="nothing"):
        render.render_folder(tmp_path, {}, tmp_path)
