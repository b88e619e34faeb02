"""What is committed is what the generator writes from the Asterisk in use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from controller.runtime.asterisk import AsteriskServer

_GENERATOR = Path(__file__).parents[3] / "tools" / "generate_ari.py"


async def test_generated_code_is_up_to_date(asterisk: AsteriskServer) -> None:
    login = {"ARI_USER": asterisk.secrets.ari_user, "ARI_PASSWORD": asterisk.secrets.ari_password}
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        [sys.executable, str(_GENERATOR), "--check", asterisk.settings.asterisk_ari_url],
        env={**os.environ, **login},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("up to date", 0), done.stderr
