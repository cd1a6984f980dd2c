"""Import rules of functions, layers and local: permitted directions between the parts, and no cycles."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from local import ROOT

SOURCES: Final = {"functions": ROOT / "functions", "layers": ROOT / "layers" / "shared", "local": ROOT}
PARTS: Final = ("kalshi_markets", "api", "authorizer", "crawler", "migrator", "local")
PERMITTED: Final = {
    "kalshi_markets": {"kalshi_markets"},
    "api": {"api", "kalshi_markets"},
    "authorizer": {"authorizer", "kalshi_markets"},
    "crawler": {"crawler", "kalshi_markets"},
    "migrator": {"migrator", "kalshi_markets"},
    "local": set(PARTS),
}
"""Parts that each part may import. The layer imports no function, no function another one, and nothing tests."""
FRONT_DOOR: Final = "kalshi_markets.exchange"
"""Package from which other packages import, and not from its modules.

No exception is needed for the cost of imports: the package loads httpx and cryptography, whichever name is imported.
So the API imports it in the routes that request candlesticks (test_imports.py).
"""


def module_name(path: Path, source: Path) -> str:
    name = ".".join(path.relative_to(source).with_suffix("").parts)
    return name.removesuffix(".__init__")


def modules() -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for name, source in SOURCES.items():
        folder = source / "local" if name == "local" else source
        paths |= {module_name(path, source): path for path in folder.rglob("*.py")}
    return paths


MODULES: Final = modules()


def imported(name: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the modules of the project that a module imports, and whether each import runs at load time."""

    def visit(node: ast.AST, at_load: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            inner = at_load and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                inner = False
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_load) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{name} has a relative import"
                base = str(child.module)
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    yield (full if full in MODULES else base), at_load
            yield from visit(child, inner)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_its_part_may(name: str) -> None:
    part = name.partition(".")[0]
    parts = {target.partition(".")[0] for target, _ in imported(name, MODULES[name])}
    assert parts & {*PARTS, "tests"} <= PERMITTED[part]


@pytest.mark.parametrize("name", sorted(name for name in MODULES if not f"{name}.".startswith(f"{FRONT_DOOR}.")))
def test_the_exchange_client_is_imported_from_its_package(name: str) -> None:
    targets = {target for target, _ in imported(name, MODULES[name])}
    assert not {target for target in targets if target.startswith(f"{FRONT_DOOR}.")}


def test_no_import_leads_back_to_where_it_began() -> None:
    graph = {
        name: {target for target, at_load in imported(name, path) if at_load and target in MODULES and target != name}
        for name, path in MODULES.items()
    }
    state: dict[str, int] = {}
    cycles = []

    def visit(name: str, trail: list[str]) -> None:
        state[name] = 1
        for target in sorted(graph[name]):
            if state.get(target) == 1:
                cycles.append([*trail[trail.index(target) :], target])
            elif target not in state:
                visit(target, [*trail, target])
        state[name] = 2

    for name in sorted(graph):
        if name not in state:
            visit(name, [name])
    assert cycles == []


def reachable(name: str) -> set[str]:
    """Return the modules that a module loads, directly and through others."""
    seen, pending = set[str](), [name]
    while pending:
        for target, at_load in imported(module := pending.pop(), MODULES[module]):
            if at_load and target in MODULES and target not in seen:
                seen.add(target)
                pending.append(target)
    return seen


RESOURCES: Final = ("api.markets", "api.events", "api.series", "api.candlesticks")


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("api.listing.")))
def test_a_listing_depends_on_no_resource(name: str) -> None:
    assert not [target for target in reachable(name) if target.startswith(RESOURCES)]


def test_every_part_is_there() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(PARTS)
