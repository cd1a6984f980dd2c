"""Generator of the table of parameters in docs/operations.md, from template.yaml.

usage: python -m local.tools.parameters_page
"""

from collections.abc import Iterator
from typing import Any, Final

from local import ROOT
from local.tools.markdown import replace_tables
from local.tools.templates import template

PAGE: Final = ROOT / "docs" / "operations.md"


def render(text: str) -> str:
    """Return the page with the table replaced."""
    return replace_tables(text, {"parameters": _parameters(template())})


def _parameters(stack: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    yield "parameter", "default", "meaning"
    for group in stack["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        for name in group["Parameters"]:
            parameter = stack["Parameters"][name]
            allowed = parameter.get("AllowedValues", ())
            values = f" One of {', '.join(allowed)}." if 2 < len(allowed) < 10 else ""
            yield f"`{name}`", str(parameter["Default"]) or "–", parameter["Description"].strip() + values


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
