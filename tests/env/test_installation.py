"""The first `make run`: interrupted, with variables for pip and Python set, and in folders with other contents."""

import time
from pathlib import Path

import pytest

from tests.env.checkouts import checkout
from tests.env.conftest import Start
from tests.support.program import Program

pytestmark = pytest.mark.timeout(900)  # the first test in the session also waits for the installation


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_after_ctrl_c_at_any_moment_of_the_first_run_the_next_one_starts(
    fresh: Path, start: Start, offline: dict[str, str]
) -> None:
    for seconds in (0.3, 0.7, 1.1, 2.5):
        run = start(fresh, **offline)
        time.sleep(seconds)
        run.cancel()
    for line in ("installing the packages of local", "postgres"):
        run = start(fresh, **offline)
        run.wait_for_line(line)
        run.cancel()
    last = start(fresh, **offline)
    last.wait_until_serving()
    last.stop()


def test_settings_of_pip_and_python_that_lead_elsewhere_do_not_count_but_the_index_does(
    fresh: Path, start: Start, wheels: Path
) -> None:
    home_dir = fresh / "home"
    (home_dir / ".config" / "pip").mkdir(parents=True)
    (home_dir / ".config" / "pip" / "pip.conf").write_text(
        f"[global]\nfind-links = {wheels}\nuser = true\nquiet = 2\n[install]\ntarget = /nowhere\n"
    )
    (home_dir / "constraints.txt").write_text("httpx==0.1\n")
    modules = fresh / "modules"
    modules.mkdir()
    for name in ("httpx", "local", "hashlib"):
        (modules / f"{name}.py").write_text("raise SystemExit('a module of another project')\n")
    run = start(
        fresh,
        VENV="~/an environment",
        PIP_NO_INDEX="1",
        PIP_USER="1",
        PIP_TARGET=str(home_dir / "target"),
        PIP_PREFIX=str(home_dir / "prefix"),
        PIP_ROOT=str(home_dir / "root"),
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_CONSTRAINT=str(home_dir / "constraints.txt"),
        PIP_NO_BINARY=":all:",
        PIP_DRY_RUN="1",
        PYTHONPATH=str(modules),
        PYTHONHOME=str(home_dir),
        PYTHONSAFEPATH="1",
    )
    run.wait_until_serving()
    run.stop()
    assert {"target", "prefix", "root", ".local"} & {path.name for path in home_dir.iterdir()} == set()
    assert start(fresh, "clean", VENV="~/an environment").wait() == 0
    assert not (home_dir / "an environment").exists()


@pytest.mark.parametrize("target", ["run", "clean"])
@pytest.mark.parametrize("name", ["other", ".", "x y", "link"])
def test_a_folder_that_make_did_not_make_is_neither_filled_nor_emptied(
    fresh: Path, start: Start, target: str, name: str
) -> None:
    for folder in ("other", "x y"):
        (fresh / folder / "bin").mkdir(parents=True)
        (fresh / folder / "thesis.txt").write_text("years of work")
    (fresh / "link").symlink_to("other")
    before = files(fresh)
    command = start(fresh, target, VENV=name)
    code = command.wait()
    after = files(fresh)
    if (target, name) == ("clean", "link"):  # the link and the built pages are removed; the link's target remains
        assert code == 0
        assert not (fresh / "link").is_symlink()
        removed = before.keys() - after.keys()
        assert {path.split("/")[1] for path in removed} <= {"explorer"}
        before = {path: content for path, content in before.items() if path not in removed}
    else:
        assert code == 2
        assert "was not made by make" in command.lines[0]
    assert after == before


def test_make_clean_removes_what_make_run_made_but_not_while_it_runs(ready: Path, start: Start) -> None:
    run = start(ready)
    run.wait_until_serving()
    rejected = start(ready, "clean")
    assert Program.wait(rejected) == 2  # the processes of the run remain
    assert rejected.lines[0] == "make clean: .data is in use, so nothing is removed: stop the run."
    run.stop()
    assert start(ready, "clean").wait() == 0
    assert sorted(path.name for path in ready.iterdir()) == ["Makefile", "functions", "home", "layers", "local"]


def test_make_clean_leaves_a_data_folder_that_is_not_ours(fresh: Path, start: Start) -> None:
    (fresh / ".data").mkdir()
    (fresh / ".data" / "thesis.txt").write_text("years of work")
    (fresh / ".mypy_cache").mkdir()
    clean = start(fresh, "clean")
    assert clean.wait() == 2
    assert ".data was not made by make, so nothing is removed" in clean.lines[0]
    assert (fresh / ".data" / "thesis.txt").read_text() == "years of work"
    assert (fresh / ".mypy_cache").exists()


def test_a_path_with_any_characters_works(installed: Path) -> None:
    assert {"'", '"', "$", "`", "\\", "\n", " ", "é"} <= set(str(installed))
    assert (installed / "local.installed").read_text()


def test_a_path_with_a_colon_is_rejected_with_a_message(private_dir: Path, start: Start) -> None:
    run = start(checkout(private_dir / "a:b"))
    assert run.wait() == 2
    assert f"{private_dir / 'a:b'} has a ':'" in run.lines[0]
    assert "move the checkout" in run.lines[0]
    assert not (private_dir / "a:b" / ".venv").exists()
