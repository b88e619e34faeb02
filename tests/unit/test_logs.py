"""What reaches the log and what never does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog

from controller.logs import configure_logging


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_a_line_is_json_with_time_level_and_event(capsys):
    configure_logging("json", "info")
    structlog.get_logger().info("call.started", flow="accueil", caller_name='é "\n<b>', raw=b"\xff", none=None)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["flow"]) == ("call.started", "info", "accueil")
    assert line["caller_name"] == 'é "\n<b>'
    assert datetime.fromisoformat(str(line["timestamp"])).utcoffset() is not None
    assert "xff" in str(line["raw"])


def test_the_call_s_id_is_on_every_line_of_it(capsys):
    configure_logging("json", "info")
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(call_id="c1"):
        log.info("one")
        logging.getLogger("library").warning("two")
    log.info("three")
    assert [line.get("call_id") for line in lines(capsys)] == ["c1", "c1", None]


@pytest.mark.parametrize("key", ["caller", "called", "number", "caller_number", "called_number"])
def test_numbers_are_shortened(capsys, key: str):
    configure_logging("json", "info")
    log = structlog.get_logger()
    for number in ("+33612345678", 33612345678, "1001", "", None):
        log.info("x", **{key: number})
    assert [line[key] for line in lines(capsys)] == ["…5678", "…5678", "1001", "", ""]


@pytest.mark.parametrize(
    "key", ["password", "secret", "digits", "token", "authorization", "ari_password", "API_TOKEN"]
)
def test_secrets_are_dropped(capsys, key: str):
    configure_logging("json", "info")
    structlog.get_logger().info("x", **{key: "s3cr3t"})
    logging.getLogger("library").error("x", extra={key: "s3cr3t"})
    out = capsys.readouterr().err
    assert "s3cr3t" not in out
    assert "[redacted]" in out


@pytest.mark.parametrize("style", ["json", "console"])
def test_exceptions_are_rendered(capsys, style):
    configure_logging(style, "info")
    try:
        int("what went wrong")
    except ValueError:
        structlog.get_logger().exception("call.crashed")
        logging.getLogger("library").exception("library.crashed")
    out = capsys.readouterr().err
    assert out.count("what went wrong") >= 2
    assert out.count("test_logs.py") >= 2
    if style == "json":
        first, second = (json.loads(line) for line in out.splitlines())
        assert "Traceback" in first["exception"]
        assert "Traceback" in second["exception"]
        assert (first["level"], second["level"]) == ("error", "error")


def test_libraries_end_up_in_the_same_stream_from_warning_up(capsys):
    configure_logging("json", "debug")
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("slow: %s took %d ms", "x", 5)
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("slow: x took 5 ms", "warning")


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_decides_what_is_written(capsys, level: str, shown: int):
    configure_logging("json", level)
    log = structlog.get_logger()
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")
    assert len(lines(capsys)) == shown


def test_lines_for_people_have_no_colours_in_a_file(capsys):
    configure_logging("console", "info")
    structlog.get_logger().info("call.started", caller="+33612345678", password="s3cr3t")
    logging.getLogger("library").warning("hello")
    out = capsys.readouterr().err
    assert "\x1b" not in out
    assert "…5678" in out
    assert "s3cr3t" not in out
    assert "hello" in out


def test_what_a_caller_sends_cannot_forge_a_line(capsys):
    """A line break or an escape sequence in a caller's name stays within its line."""
    for style in ("json", "console"):
        configure_logging(style, "info")  # type: ignore[arg-type]
        structlog.get_logger().info("x", caller_name="Zoé\n2026-11-24 [error] forged\x1b[31m")
        out = capsys.readouterr().err
        assert len(out.splitlines()) == 1
        assert "\x1b" not in out
