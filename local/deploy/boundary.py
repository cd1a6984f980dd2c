"""Set a permissions boundary on every role of the built templates: python -m local.deploy.boundary ARN FOLDER.

It runs with the packages of the SAM CLI. The boundary belongs to who deploys, not to the stack, so it is no parameter.
"""

import sys
from pathlib import Path
from typing import Any, Final

import yaml

PROPERTY: Final = "PermissionsBoundary"


def set_boundary(arn: str, folder: Path) -> None:
    """Rewrite the root template of a build folder and its nested templates."""
    for path in (folder / "template.yaml", *folder.glob("*/template.yaml")):
        template = yaml.safe_load(path.read_text(encoding="utf-8"))
        for properties in _roles(template["Resources"]):
            properties[PROPERTY] = arn
        path.write_text(yaml.safe_dump(template, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _roles(resources: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the properties of all roles, and of the events of functions for which SAM creates roles."""
    roles = [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::IAM::Role"]
    functions = [item["Properties"] for item in resources.values() if item["Type"] == "AWS::Serverless::Function"]
    events = [event for function in functions for event in function.get("Events", {}).values()]
    return roles + [event["Properties"] for event in events if event["Type"] == "ScheduleV2"]


if __name__ == "__main__":
    set_boundary(sys.argv[1], Path(sys.argv[2]))
