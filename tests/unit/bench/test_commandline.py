from __future__ import annotations

from pathlib import Path

import pytest

from bench import commandline
from controller.errors import SetupError


def test_every_bench_says_where_its_results_go() -> None:
    parser = commandline.parser("bench.callbacks", "Measures.")
    assert parser.prog == "python -m bench.callbacks"
    assert parser.parse_args([]).results == commandline.RESULTS
    assert parser.parse_args(["--results", "elsewhere"]).results == Path("elsewhere")


def test_what_rappel_cannot_do_is_told_in_words_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    async def measure() -> None:
        print("figures")

    async def fail() -> None:
        raise SetupError("there is no Postgres: install it")

    assert commandline.run(measure()) == 0
    assert commandline.run(fail()) == 1
    assert capsys.readouterr() == ("figures\n", "bench: there is no Postgres: install it\n")
