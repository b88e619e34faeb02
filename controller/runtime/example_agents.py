"""The agents of the example company, for a first look: created by `rappel run` in an empty, embedded database.

Their passwords are kept in a file of mode 0600 in the state folder, as the softphones' are; those of agents that are
created otherwise are shown once and stored nowhere.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from controller.acd.model import AgentId
from controller.calls.enrolment import NewAgent, enrol
from controller.errors import SetupError
from controller.ports import AgentDirectory

FILE = "example-agents.json"
"""In the state folder."""

AGENTS = (
    NewAgent(
        agent="claire",
        name="Claire Vautrin",
        extension="2001",
        skills={"anglais": 4},
        languages=("fr", "en"),
        queues={"ventes": 1, "support": 2},
    ),
    NewAgent(
        agent="malik",
        name="Malik Benali",
        extension="2002",
        skills={"vae": 4, "anglais": 2},
        languages=("fr", "en"),
        queues={"support": 1, "apres_vente": 1, "ventes": 2},
    ),
    NewAgent(
        agent="sophie",
        name="Sophie Laurent",
        extension="2003",
        skills={"vae": 5, "anglais": 5},
        languages=("fr", "en"),
        queues={"expert": 1, "support": 3},
        supervisor=True,
    ),
)


async def seed(directory: AgentDirectory, file: Path) -> bool:
    """Create the example's agents if there are no agents at all; return whether it did."""
    if await directory.accounts():
        return False
    accounts = await enrol(directory, AGENTS)
    _keep(file, {each.agent: each.password for each in accounts})
    return True


def _keep(file: Path, values: dict[AgentId, str]) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".agents-")  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as kept:
        json.dump(values, kept, indent=1)
    Path(name).replace(file)


def passwords(file: Path) -> dict[str, str]:
    """Return the example agents' passwords by id; none when they were never created here."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{file} cannot be read ({error}): `rappel agents password AGENT` makes a new password"
        ) from error
    return {str(agent): str(password) for agent, password in kept.items()}
