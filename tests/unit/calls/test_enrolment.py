"""Accounts from files: what spreadsheets and people write, and what is refused with its place."""

from __future__ import annotations

import pytest

from controller.acd.model import AgentAccount, AgentId
from controller.calls.enrolment import EnrolmentError, NewAgent, enrol, read_agents
from controller.errors import StoreConflict
from tests.unit.web.api.fakes import Directory

YAML = """
agents:
  claire:
    name: Claire Vautrin
    extension: 0201
    skills: {anglais: 4, vae: 2}
    languages: [fr, en]
    queues: {ventes: 1, support: 2}
  malik: {name: Malik Benali, extension: 2002, supervisor: yes, skills: vae:5}
"""
CSV = """\ufeffagent;name;extension;skills;languages;queues;supervisor
claire;Claire Vautrin;0201;anglais:4 vae:2;fr en;ventes:1 support:2;
malik;"Benali; Malik";2002;vae:5;;;oui

"""


def test_yaml_and_csv_tell_the_same() -> None:
    for text, name in ((YAML, "agents.yaml"), (CSV, "agents.CSV")):
        claire, malik = read_agents(text, name)
        assert claire == NewAgent(
            agent="claire",
            name="Claire Vautrin",
            extension="0201",
            skills={"anglais": 4, "vae": 2},
            languages=("fr", "en"),
            queues={"ventes": 1, "support": 2},
        )
        assert malik.supervisor
        assert malik.skills == {"vae": 5}
    assert malik.name == "Benali; Malik"


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("agent,nmae\nx,y\n", "a.csv", "a.csv:1 has the unknown column 'nmae'"),
        ("name,extension\nx,12\n", "a.csv", "a.csv:1 has no column 'agent'"),
        ("agent,name,extension\nok,Ok,2001\nclaire,Claire,20x1\n", "a.csv", "a.csv:3"),
        ("agent,name,extension\nclaire,Claire,2001,more\n", "a.csv", "a.csv:2 has more values"),
        ("agent,name,extension,skills\nc,C,2001,vae\n", "a.csv", "skills 'vae' has no number: write vae:3"),
        ("agent,name,extension,skills\nc,C,2001,vae:9\n", "a.csv", "$.skills"),
        ("agent,name,extension,supervisor\nc,C,2001,perhaps\n", "a.csv", "write yes or no"),
        ("agent,name,extension\n", "a.csv", "names no agent"),
        ("", "a.csv", "has no column 'agent'"),
        ("agents: [1]", "a.yaml", "needs a mapping 'agents:'"),
        ("agents: {claire: {name: C}}", "a.yaml", "agent claire"),
        ("a: [", "a.yaml", "is not YAML"),
        ("agents: {c: {name: '=cmd|x', extension: 2001, colour: red}}", "a.yaml", "colour"),
        ("x" * 1_100_000, "a.yaml", "larger than"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, name: str, told: str) -> None:
    with pytest.raises(EnrolmentError) as caught:
        read_agents(text, name)
    assert told in str(caught.value)


async def test_only_new_and_moved_agents_get_a_password() -> None:
    directory = Directory()
    first = await enrol(directory, read_agents(YAML, "a.yaml"))
    assert [each.username for each in first] == ["0201", "2002"]
    assert len({each.password for each in first}) == 2
    assert await enrol(directory, read_agents(YAML, "a.yaml")) == []
    moved = await enrol(directory, read_agents(YAML.replace("0201", "0202"), "a.yaml"))
    assert [each.username for each in moved] == ["0202"]
    assert set(directory.stored) == {"claire", "malik"}


async def test_a_list_with_a_conflict_changes_nothing() -> None:
    directory = Directory({AgentId("zoe"): AgentAccount(agent=AgentId("zoe"), name="Zoé", extension="2002")})
    with pytest.raises(StoreConflict):
        await enrol(directory, read_agents(YAML, "a.yaml"))
    with pytest.raises(EnrolmentError, match="extension 2002 stands more than once"):
        await enrol(directory, read_agents(YAML.replace("0201", "2002"), "a.yaml"))
    assert list(directory.known) == ["zoe"]
