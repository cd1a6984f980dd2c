"""Environments of the checkout: their markers, the folders that are rejected, and the causes of a rebuild."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT, environments
from local.environments import EnvironmentFailure, Group, environment
from local.pip_settings import pip_environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of VENV. The group "local" has nothing to install, and its module is our own."""
    folder = tmp_path / "environment"
    (tmp_path / "empty.txt").write_text("")
    monkeypatch.setenv("VENV", str(folder))
    monkeypatch.setitem(environments.GROUPS, "local", Group((str(tmp_path / "empty.txt"),), "json"))
    return folder


def needs(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(environments.GROUPS, "local", Group(environments.GROUPS["local"].locks, module))


def test_an_environment_is_complete_only_when_its_packages_can_be_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(monkeypatch, "no_such_module")
    with pytest.raises(EnvironmentFailure, match="are installed in"):
        environment("local")
    assert (folder / "local.installed").read_text() == ""
    (folder / "left").mkdir()
    needs(monkeypatch, "json")
    python = environment("local")
    assert not (folder / "left").exists()  # the environment was rebuilt
    assert len((folder / "local.installed").read_text()) == 64
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    (folder / "kept").mkdir()
    assert environment("local") == python
    assert (folder / "kept").exists()


@pytest.mark.parametrize("content", ["", "years of work"])
def test_a_folder_that_is_not_ours_stays_as_it_is(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text(content)
    with pytest.raises(EnvironmentFailure, match="was not made by make, so it is not changed"):
        environment("local")
    assert [path.name for path in folder.iterdir()] == ["pyvenv.cfg"]


def test_a_file_instead_of_a_folder_is_reported(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(EnvironmentFailure, match="cannot be an environment"):
        environment("local")


def test_an_empty_venv_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENV", "")
    assert environments.environment_folder() == ROOT / ".venv"


def test_network_settings_of_pip_are_used_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one.example/simple\nproxy = http://proxy.example:3128\nuser = true\n"
        "timeout = 7\nquiet = 3\n[install]\ntarget = /nowhere\nindex-url = https://two.example/simple\n"
        "extra-index-url =\n    https://three.example/simple\n    https://four.example/simple\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_PYTHON", "/nowhere/python")
    expected = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "https://two.example/simple",
        "PIP_EXTRA_INDEX_URL": "\nhttps://three.example/simple\nhttps://four.example/simple",
        "PIP_PROXY": "http://proxy.example:3128",
        "PIP_TIMEOUT": "9",
    }
    pip_variables = pip_environment(sys.executable)
    assert {name: pip_variables.get(name) for name in expected} == expected
    assert {"PIP_USER", "PIP_QUIET", "PIP_TARGET", "PIP_PYTHON"} & pip_variables.keys() == set()
