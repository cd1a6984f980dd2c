"""Every file, module and make target that a document, a workflow or the Makefile names exists."""

import re
from pathlib import Path

import pytest

from local import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile", ".ci/run", "pyproject.toml", "samconfig.toml")),
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FOLDERS = (".ci", ".github", "docs", "functions", "infra", "layers", "local", "tests")
NAMES = {path.name for path in ROOT.iterdir()} | {path.name for top in FOLDERS for path in (ROOT / top).rglob("*")}
MADE = {"headers.txt", "key.json", "key.pem", "lake.json", "markets.csv", "out.json", "page.json", "pyspark.sql"}
"""Files that commands in the documentation create, and a module whose name looks like a file."""
_FILE = re.compile(
    r"(?<![\w/.:@…*=-])((?:[\w.-]+/)*[\w.-]*\w\.(?:html|json|md|pem|py|sh|sql|toml|txt|ya?ml))(?![\w/…*(-]|\.\w)"
)
_BELOW_A_FOLDER = re.compile(rf"(?<![\w/.:@…-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*\w)")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+/")


def named_files(text: str) -> set[str]:
    """Return the relative paths and the bare names of files that a text contains, without URLs."""
    return {name for name in _FILE.findall(text) + _BELOW_A_FOLDER.findall(text) if not _HOST.match(name)}


def exists(name: str, page: Path) -> bool:
    if "/" not in name:
        return name in NAMES
    return any((folder / name).exists() for folder in (ROOT, page.parent))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = named_files(page.read_text(encoding="utf-8"))
    assert sorted(name for name in named - MADE if not exists(name, page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_is_run_exists(page: Path) -> None:
    modules = set(re.findall(r"-m ((?:local|tests)[\w.]*\w)", page.read_text(encoding="utf-8")))
    files = {module: ROOT / module.replace(".", "/") for module in modules}
    assert [m for m, path in files.items() if not (path.with_suffix(".py").exists() or path.is_dir())] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^\s*|run: |&& )make (?:[A-Z_]+=\S+ )*([a-z][a-z-]+)", text, re.MULTILINE)
    assert set(named) - targets == set()


def test_the_search_finds_what_a_page_names() -> None:
    text = "pip install -r tests/x.txt; see `columns.py`, docs/costs.md#sizes, functions/api, https://a.b/c.json, a.b.com/x.html"
    assert named_files(text) == {"tests/x.txt", "columns.py", "docs/costs.md", "functions/api"}
