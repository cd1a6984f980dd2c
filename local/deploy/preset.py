"""Presets: the environments of samconfig.toml that name a stack, such as `small`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from local.deploy.failure import DeployFailed
from local.sam.cli import CONFIG

LOCAL: Final = "default"
"""Environment for the SAM CLI on this machine. It is not deployed."""


@dataclass(frozen=True)
class Preset:
    """Options of `sam deploy` that this module needs itself. The SAM CLI reads the others.

    parameters: parameter_overrides, as Name=value.
    """

    name: str
    stack: str
    region: str | None
    profile: str | None
    parameters: tuple[str, ...]

    @classmethod
    def from_options(cls, name: str, options: Mapping[str, Any]) -> Self:
        """Return the preset with the options of its environment."""
        overrides = options.get("parameter_overrides", [])
        return cls(
            name=name,
            stack=options["stack_name"],
            region=options.get("region"),
            profile=options.get("profile"),
            parameters=(overrides,) if isinstance(overrides, str) else tuple(overrides),
        )


def read_presets(path: Path = CONFIG) -> dict[str, Preset]:
    """Return the presets of a samconfig.toml, by name."""
    with path.open("rb") as file:
        environments = {name: table for name, table in tomllib.load(file).items() if isinstance(table, dict)}
    options = {name: _deploy_options(table) for name, table in environments.items() if name != LOCAL}
    return {name: Preset.from_options(name, own) for name, own in options.items() if "stack_name" in own}


def find_preset(name: str) -> Preset:
    """Return a preset by its name. Raises DeployFailed."""
    presets = read_presets()
    if name not in presets:
        problem = "samconfig.toml has no such ENVIRONMENT" if name else "ENVIRONMENT is missing"
        raise DeployFailed(f"{problem}: name one of {', '.join(presets)}. docs/costs.md compares them.")
    return presets[name]


def _deploy_options(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `sam deploy` in an environment: those of all commands, then its own."""
    tables = (environment.get(command, {}).get("parameters", {}) for command in ("global", "deploy"))
    return {name: value for table in tables for name, value in table.items()}
