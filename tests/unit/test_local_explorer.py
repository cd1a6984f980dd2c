"""Output of `make run` while the pages are built."""

import asyncio
from pathlib import Path

import pytest

from local import explorer

FETCH = """
import sys
print("explorer   building the pages", flush=True)
print("      3 │ const a = ;", file=sys.stderr)
sys.exit({code})
"""
LINES = ["explorer   building the pages", "explorer         3 │ const a = ;"]


@pytest.mark.parametrize(
    ("code", "is_built", "last"),
    [(0, True, []), (1, True, [explorer.OLD_PAGES]), (1, False, [explorer.NO_PAGES])],
)
def test_the_progress_is_shown_and_a_failure_says_what_is_served(
    code: int,
    is_built: bool,
    last: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fetch.py").write_text(FETCH.format(code=code), encoding="utf-8")
    if is_built:
        (tmp_path / "assets").mkdir()
    monkeypatch.setattr(explorer, "FETCH", tmp_path / "fetch.py")
    monkeypatch.setattr(explorer, "ASSETS", tmp_path / "assets")
    asyncio.run(explorer.build_pages())
    assert capsys.readouterr().out.splitlines() == LINES + [f"explorer   {line}" for line in last]
