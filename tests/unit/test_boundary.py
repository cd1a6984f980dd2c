"""`make deploy --permissions-boundary` sets the boundary on every role."""

import json
from pathlib import Path
from unittest import mock

import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.deploy.boundary import set_boundary
from local.tools.templates import template

BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def test_the_boundary_is_set_on_every_role_of_a_build(tmp_path: Path) -> None:
    (tmp_path / "PostgreSQL").mkdir()
    for name, source in (("template.yaml", "template.yaml"), ("PostgreSQL/template.yaml", "infra/database.yaml")):
        (tmp_path / name).write_text(json.dumps(template(source)), encoding="utf-8")
    set_boundary(BOUNDARY, tmp_path)
    root = yaml.safe_load((tmp_path / "template.yaml").read_text(encoding="utf-8"))
    for resource in root["Resources"].values():  # as by `sam package`
        resource["Properties"] = resource["Properties"] | {
            name: "s3://bucket/code.zip" for name in ("CodeUri", "ContentUri") if name in resource["Properties"]
        }
        if "Location" in resource["Properties"]:
            resource["Properties"]["Location"] = "https://s3.us-east-1.amazonaws.com/bucket/template.yaml"
    root["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"
    values = {name: parameter.get("Default", "") for name, parameter in root["Parameters"].items()}
    with mock.patch.dict("os.environ", {"AWS_DEFAULT_REGION": "us-east-1"}):
        transformed = Translator({}, Parser()).translate(root, values)
    nested = yaml.safe_load((tmp_path / "PostgreSQL" / "template.yaml").read_text(encoding="utf-8"))
    every = [*transformed["Resources"].values(), *nested["Resources"].values()]
    roles = [resource["Properties"] for resource in every if resource["Type"] == "AWS::IAM::Role"]
    assert len(roles) >= 5, "three functions, the schedule, the database"
    assert {role["PermissionsBoundary"] for role in roles} == {BOUNDARY}
