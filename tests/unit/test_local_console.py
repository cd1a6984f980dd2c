"""Log lines of the functions on the console."""

import json
import subprocess
import sys
from typing import Any

import pytest

from local import ROOT
from local.console import function_log

POWERTOOLS = {
    "level": "INFO",
    "location": "run:12",
    "message": "page",
    "timestamp": "2026-11-24 02:00:00,000+0000",
    "service": "crawler",
    "cold_start": True,
    "function_name": "f",
    "function_request_id": "1",
}


def shown(capsys: pytest.CaptureFixture[str], line: Any, **options: bool) -> str:
    function_log("crawler", **options)(line if isinstance(line, str) else json.dumps(line))
    return capsys.readouterr().out


def test_progress_is_the_message_and_what_the_line_adds_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    extras = {
        "job": "live/open",
        "markets": 1000,
        "ratio": 0.5,
        "changed": 0,
        "last": True,
        "done": False,
        "error": "two words",
        "none": None,
    }
    line = shown(capsys, POWERTOOLS | extras, progress=True)
    assert line == 'crawler    page job=live/open markets=1,000 ratio=0.5 changed=0 last=true error="two words"\n'


def test_information_is_hidden_where_it_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, POWERTOOLS) == ""
    assert shown(capsys, POWERTOOLS, verbose=True) == "crawler    page\n"


def test_warnings_and_errors_are_marked_and_their_stacks_left_to_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    error = POWERTOOLS | {"level": "ERROR", "exception": "Traceback ...\nOops", "exception_name": "Oops"}
    assert shown(capsys, error) == "crawler    ERROR page\n"
    assert shown(capsys, error, verbose=True) == "crawler    ERROR page\ncrawler    Traceback ...\ncrawler    Oops\n"


def test_metrics_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, {"_aws": {"Timestamp": 1}, "Pages": 1}, verbose=True) == ""


def test_a_non_json_line_is_shown_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "Segmentation fault") == "crawler    Segmentation fault\n"
    assert shown(capsys, "5") == "crawler    5\n"


def test_the_runtime_clients_report_of_an_error_is_left_to_who_invoked_the_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = "[ERROR] ValueError: no\rTraceback (most recent call last):\r  File"
    assert shown(capsys, report) == ""
    assert shown(capsys, report, verbose=True).count("\n") == 3


def test_a_closed_stdout_stops_nothing() -> None:
    code = "import sys; from local.console import echo; input(); echo('a', 'b'); echo('c', 'd'); sys.exit(7)"
    program = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdout.close()
    with program.stdin as stdin:
        stdin.write(b"go\n")
    assert program.wait() == 7
