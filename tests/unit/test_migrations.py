from local.tools.migrations_digest import digest
from local.tools.templates import template


def test_a_deployment_notices_what_the_migrator_has_not_applied_yet() -> None:
    template_digest = template()["Resources"]["Migrations"]["Properties"]["Digest"]
    assert template_digest == digest(), f'renew it: python -m local.tools.migrations_digest writes Digest: "{digest()}"'
