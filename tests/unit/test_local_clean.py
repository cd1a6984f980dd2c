"""`make clean` removes everything that was created by make, or nothing."""

import fcntl
from pathlib import Path

import pytest

from local import clean, environments


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with an environment, data and a cache."""
    for module in (clean, environments):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.delenv("VENV", raising=False)
    for file in (
        ".venv/tests.installed",
        ".venv-sam/sam.installed",
        ".venv-3.11/tests.installed",
        ".data/lock",
        ".mypy_cache/x",
        "local/javascript/node_modules/x",
        "layers/explorer/explorer_assets/pages/x",
        "layers/explorer/src/vendor/x",
        "layers/explorer/.esbuild/linux/x",
        "kept/file",
    ):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("")
    return tmp_path


def names(root: Path) -> list[str]:
    """Return the names of the files and of the folders that are not empty or that are links."""
    paths = [path for path in root.iterdir() if path.is_symlink() or not path.is_dir() or any_file(path)]
    return sorted(path.name for path in paths)


def any_file(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))


def test_all_that_was_made_goes(root: Path) -> None:
    assert clean.main() == 0
    assert names(root) == ["kept"]
    assert clean.main() == 0


@pytest.mark.parametrize("child", ["sam-test", "bench-2000000"])
def test_data_of_the_other_commands_are_ours_too(root: Path, child: str) -> None:
    (root / ".data" / "lock").rename(root / ".data" / child)
    assert clean.main() == 0
    assert names(root) == ["kept"]


@pytest.mark.parametrize("mark", [".venv/tests.installed", ".venv-sam/sam.installed", ".data/lock"])
def test_one_folder_that_is_not_ours_keeps_all(root: Path, mark: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = names(root)
    (root / mark).rename((root / mark).with_name("thesis.txt"))
    assert clean.main() == 2
    assert f"{(root / mark).parent} was not made by make, so nothing is removed" in capsys.readouterr().err
    assert names(root) == before
    assert (root / mark).with_name("thesis.txt").exists()


def test_a_link_goes_and_what_it_leads_to_stays(root: Path) -> None:
    (root / ".data" / "lock").unlink()
    (root / ".data").rmdir()
    (root / ".data").symlink_to("kept")
    assert clean.main() == 0
    assert names(root) == ["kept"]
    assert names(root / "kept") == ["file"]


def test_nothing_goes_under_a_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = names(root)
    with (root / ".data" / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clean.main() == 2
    assert "is in use, so nothing is removed: stop the run" in capsys.readouterr().err
    assert names(root) == before
