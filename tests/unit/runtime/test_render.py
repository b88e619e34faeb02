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


TRUNKS = [
    Trunk(host="sip.carrier.example:5060"),
    Trunk(
        host="198.51.100.7:5060", transport="tcp", username="us", password="p" * 12, register=True, domain="a.example"
    ),
    Trunk(softphone="1002"),
    Trunk(),
]


@pytest.mark.parametrize("trunk", TRUNKS)
def test_one_context_leads_to_the_trunk_and_nothing_leads_there_but_the_controller(
    tmp_path: Path, trunk: Trunk
) -> None:
    text = re.sub(r"^;.*$", "", rendered(tmp_path, trunk=trunk)["extensions.conf"], flags=re.MULTILINE)
    assert "include" not in text
    contexts = {name: context(text, name) for name in re.findall(r"^\[([a-z-]+)\]$", text, re.MULTILINE)}
    dialling = {name for name, body in contexts.items() if "Dial(" in body}
    assert dialling == {"extensions", "rappel-outbound"}
    for name, body in contexts.items():
        for dial in re.findall(r"Dial\((.*)\)$", body, re.MULTILINE):
            assert dial.startswith("PJSIP/${EXTEN}," if name == "extensions" else "${WAY},${RING_S},i")
        # Neither a jump nor a subroutine of another context leads out, and no technology is named elsewhere.
        if name != "rappel-outbound":
            assert not re.search(r"(Goto|GotoIf|Gosub|GosubIf|Macro|Exec\w*)\(.*rappel-outbound", body)
            assert "trunk@" not in body
            assert "@trunk" not in body
            assert not re.search(r"(Originate|Transfer|FollowMe|Queue|Page|ChanIsAvail)\(", body)
    assert contexts["rappel-outbound"].count("Dial(") == 1


def test_a_trunk_s_way_out_is_one_line_of_its_address_of_record(tmp_path: Path) -> None:
    text = rendered(tmp_path, trunk=TRUNKS[1])["pjsip.conf"]
    assert "contact = sip:198.51.100.7:5060\\;transport=tcp" in text
    assert "from_domain = a.example" in text
    assert "server_uri = sip:198.51.100.7:5060\\;transport=tcp" in text
    assert "client_uri = sip:us@198.51.100.7:5060" in text
    assert "type = registration" not in rendered(tmp_path, trunk=TRUNKS[0])["pjsip.conf"]


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
    trunk = Trunk(networks=("203.0.113.7/32",), host="carrier.example:5060", username="u", password="p" * 12)
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
