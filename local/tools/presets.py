"""Presets of the stack: the environments of samconfig.toml that can be deployed."""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from local import ROOT
from local.tools.templates import template

CONFIG: Final = ROOT / "samconfig.toml"


def overrides() -> dict[str, dict[str, str]]:
    """Return the parameters that each preset sets, by its name."""
    config: dict[str, Any] = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    del config["version"]
    environments: Mapping[str, Any] = {name: part for name, part in config.items() if "deploy" in part}
    return {
        name: dict(override.split("=", 1) for override in environment["global"]["parameters"]["parameter_overrides"])
        for name, environment in environments.items()
    }


def presets() -> dict[str, dict[str, str]]:
    """Return every parameter of each preset, by its name: what it sets, and the defaults of the template."""
    defaults = {name: str(parameter["Default"]) for name, parameter in template()["Parameters"].items()}
    return {name: defaults | parameters for name, parameters in overrides().items()}
