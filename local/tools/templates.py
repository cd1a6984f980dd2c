"""The stack's templates as data. Short forms are expanded as by CloudFormation: `!Ref x` is {"Ref": x}."""

import copy
from functools import lru_cache
from typing import Any, Final

import yaml

from local import ROOT

_WITHOUT_PREFIX: Final = ("Ref", "Condition")


class Loader(yaml.SafeLoader):
    """YAML loader with CloudFormation's short forms."""


def _function(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            argument: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            argument = loader.construct_sequence(node, deep=True)
        case _:
            argument = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # only mappings are left
    if suffix == "GetAtt":
        argument = argument.split(".", 1)
    return {suffix if suffix in _WITHOUT_PREFIX else f"Fn::{suffix}": argument}


Loader.add_multi_constructor("!", _function)


def template(name: str = "template.yaml") -> dict[str, Any]:
    """Return one of the stack's templates. name: path in the project."""
    return copy.deepcopy(_parsed((ROOT / name).read_text(encoding="utf-8")))


@lru_cache(maxsize=8)
def _parsed(text: str) -> dict[str, Any]:
    """Return the template of a text. Parsing it takes a third of a second."""
    document: dict[str, Any] = yaml.load(text, Loader)
    return document
