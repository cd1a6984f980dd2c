"""`make run` with invalid variables: an error message that names the variable, before anything starts."""

from pathlib import Path

import pytest

from tests.env.conftest import Start

pytestmark = pytest.mark.timeout(900)  # the first test in the session also waits for the installation


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "trace"),
        ("LOG_LEVEL", "10"),
        ("CANDLE_CACHE_MB", "many"),
        ("EXCHANGE_URL", "https://exchange.example"),
        ("SSL_CERT_FILE", "/no/such/file.pem"),
    ],
    ids=["word", "number", "cache", "exchange", "authorities"],  # the ids become part of the checkout's path
)
def test_an_unusable_variable_is_reported_by_name(ready: Path, start: Start, name: str, value: str) -> None:
    run = start(ready, **{name: value})
    assert run.wait() == 2
    assert run.lines[0].startswith("make run: ")
    assert name in run.lines[0]
    assert "Traceback" not in run.output
    assert not (ready / ".data").exists()
