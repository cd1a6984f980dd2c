"""Chromium of the tests in a browser: where it is looked for, and how Debian's package is installed."""

import os
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.browser.chromium import MISSING, ChromiumMissing, ensure_chromium, find_chromium, launch_options

APT = '#!/bin/sh\necho "$@" >> "{folder}/calls"\n[ "$3" = update ] || {{ {action}; }}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH. It has no program."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return tmp_path


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def apt_get(folder: Path, action: str) -> None:
    program(folder, "apt-get", APT.format(folder=folder, action=action))


def system(monkeypatch: pytest.MonkeyPatch, *, debian: bool, root: bool) -> None:
    monkeypatch.setattr(chromium, "_is_debian", lambda: debian)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)


def test_the_variable_is_preferred_then_chromium_then_chrome(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_chromium() is None
    chrome = program(folder, "google-chrome")
    assert find_chromium() == chrome
    first = program(folder, "chromium")
    assert find_chromium() == first
    monkeypatch.setenv("CHROMIUM", "google-chrome")
    assert ensure_chromium() == chrome
    monkeypatch.setenv("CHROMIUM", "netscape")
    with pytest.raises(ChromiumMissing, match="CHROMIUM names no program: set it to the path"):
        find_chromium()


def test_it_is_installed_on_debian_as_root(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    system(monkeypatch, debian=True, root=True)
    apt_get(folder, f'printf "#!/bin/sh\\n" > {folder}/chromium; /bin/chmod 755 {folder}/chromium')
    assert ensure_chromium() == str(folder / "chromium")
    assert capsys.readouterr().out == "chromium   installing Debian's package chromium, once\n"
    calls = (folder / "calls").read_text().splitlines()
    assert calls == ["--quiet --quiet update", "--quiet --quiet install --yes --no-install-recommends chromium"]


def test_sudo_is_used_only_without_a_password(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, debian=True, root=False)
    apt_get(folder, "true")
    program(folder, "sudo", "#!/bin/sh\nexit 1\n")
    with pytest.raises(ChromiumMissing, match=MISSING):
        ensure_chromium()
    assert not (folder / "calls").exists()
    program(folder, "sudo", '#!/bin/sh\nshift; [ "$1" = true ] || "$@"\n')
    with pytest.raises(ChromiumMissing, match=MISSING):
        ensure_chromium()
    assert len((folder / "calls").read_text().splitlines()) == 2


def test_a_failed_installation_and_another_system_are_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, debian=True, root=True)
    apt_get(folder, "exit 100")
    with pytest.raises(ChromiumMissing, match="apt-get did not install chromium: see its output above"):
        ensure_chromium()
    system(monkeypatch, debian=False, root=True)
    (folder / "calls").unlink()
    with pytest.raises(ChromiumMissing, match=MISSING):
        ensure_chromium()
    assert not (folder / "calls").exists()


@pytest.mark.parametrize("root", [True, False])
def test_only_root_runs_it_without_a_sandbox(monkeypatch: pytest.MonkeyPatch, root: bool) -> None:
    system(monkeypatch, debian=True, root=root)
    assert ("--no-sandbox" in launch_options()) is root
