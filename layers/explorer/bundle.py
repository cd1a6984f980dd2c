"""Bundles of the pages: one script and one stylesheet for each, which esbuild writes from the sources in src."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
SOURCES: Final = HERE / "src"
VENDOR: Final = SOURCES / "vendor"
COPIED: Final = (
    "favicon.svg",
    "vendor/lightweight-charts.js",
    "vendor/lightweight-charts.LICENSE.txt",
    "vendor/lit-html.LICENSE.txt",
)
"""Sources that are served as they are. lit-html is a part of each bundle."""
_OPTIONS: Final = (
    *("--bundle", "--format=esm", "--minify", "--target=es2022", "--charset=utf8", "--legal-comments=eof"),
    # Loaded when a chart is seen. A pattern keeps the address as it is written, which is right from pages, too.
    "--external:*/vendor/lightweight-charts.js",
    # Settings of the type checker do not change a bundle.
    "--tsconfig-raw={}",
    *("--outbase=src", "--log-level=warning"),
)


class BundleFailed(Exception):
    """Sources that esbuild rejects. The message gives the solution. esbuild's own output has the file and line."""


def source_files() -> list[Path]:
    """Return our sources, without the third-party modules."""
    files = (path for path in SOURCES.rglob("*") if path.is_file() and VENDOR not in path.parents)
    return sorted(files)


def bundle_names() -> list[str]:
    """Return the paths of the bundles, relative to the folder that is served and to SOURCES."""
    paths = [SOURCES / "style.css", *SOURCES.glob("pages/*.js"), *SOURCES.glob("pages/*.css")]
    return sorted(path.relative_to(SOURCES).as_posix() for path in paths)


def write_bundles(esbuild: Path, folder: Path) -> None:
    """Write all files that are served into a new folder. Raises BundleFailed.

    esbuild: the program.
    """
    entries = [f"src/{name}" for name in bundle_names()]
    command = [str(esbuild), *entries, *_OPTIONS, f"--outdir={folder}"]
    run = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    print(run.stderr, file=sys.stderr, end="")
    # Of an error in a stylesheet esbuild only warns.
    if run.returncode or run.stderr:
        raise BundleFailed(
            "esbuild did not build the pages: correct what its output above names,"
            " then run python3 layers/explorer/fetch.py."
        )
    for name in COPIED:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(SOURCES / name, folder / name)
