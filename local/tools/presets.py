"""Parameters of the presets, the environments of samconfig.toml that can be deployed."""

from local.deploy.preset import read_presets
from local.tools.templates import template


def overrides() -> dict[str, dict[str, str]]:
    """Return the parameters that each preset sets, by its name."""
    return {name: dict(item.split("=", 1) for item in preset.parameters) for name, preset in read_presets().items()}


def presets() -> dict[str, dict[str, str]]:
    """Return every parameter of each preset, by its name: what it sets, and the defaults of the template."""
    defaults = {name: str(parameter["Default"]) for name, parameter in template()["Parameters"].items()}
    return {name: defaults | parameters for name, parameters in overrides().items()}
