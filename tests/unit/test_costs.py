"""The costs page agrees with the computed costs, and the computation with the templates."""

from typing import Any

import pytest

from local.tools import costs
from local.tools.costs import LARGE, MEDIUM, PRICES, SIZES, SMALL, Size, lake_quantities, quantities, total, way_out
from local.tools.presets import presets
from local.tools.templates import template


def properties(name: str, resource: str) -> dict[str, Any]:
    properties: dict[str, Any] = template(name)["Resources"][resource]["Properties"]
    return properties


def test_the_page_is_what_is_computed() -> None:
    text = costs.PAGE.read_text(encoding="utf-8")
    assert text == costs.render(text), "renew it: python -m local.tools.costs"


def test_every_price_is_used_and_says_where_it_is_from() -> None:
    assert set(PRICES) == {name for size in SIZES for name in quantities(size)} | set(lake_quantities(30))
    assert all(price.dollars > 0 and price.source for price in PRICES.values())


def test_the_small_installation_is_the_one_by_default() -> None:
    defaults = {name: str(parameter["Default"]) for name, parameter in template()["Parameters"].items()}
    assert presets()["small"] == defaults
    assert properties("template.yaml", "CrawlerFunction")["MemorySize"] == costs.CRAWLER_GB * 1024
    assert properties("template.yaml", "ApiFunction")["MemorySize"] == costs.API_GB * 1024


def test_a_size_is_priced_as_its_preset_is_deployed() -> None:
    assert [size.name for size in SIZES] == [*presets()]
    for size in SIZES:
        parameters = presets()[size.name]
        assert f", {parameters['DatabaseInstanceClass']}" in PRICES[size.database].about
        assert quantities(size)["storage"] == int(parameters["DatabaseStorageGb"]) * (1 + size.standby)
        assert (parameters["NatInstanceType"] in quantities(size)) == (parameters["Network"] == "nat-instance")
        days = (size.data + int(parameters["DatabaseBackupDays"]) * costs.WAL_BYTES / costs.GB) - size.storage
        assert quantities(size)["backup"] == pytest.approx(max(0, days))


def test_the_parts_are_those_of_the_templates() -> None:
    [disk] = properties("infra/network.yaml", "NatTemplate")["LaunchTemplateData"]["BlockDeviceMappings"]
    assert way_out("nat-instance", 0)["volume"] == disk["Ebs"]["VolumeSize"]
    assert "DetailedMetricsEnabled" not in properties("template.yaml", "HttpApiStage")["DefaultRouteSettings"]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_database_has_room_to_spare(size: Size) -> None:
    assert size.data < 0.75 * size.storage


def test_a_free_allowance_is_subtracted_once_and_never_makes_a_price_negative() -> None:
    assert costs.dollars("metric", 15) == pytest.approx(5 * 0.30)
    assert costs.dollars("metric", 9) == 0
    assert costs.dollars("metric", 9, allowances=False) == pytest.approx(2.70)


def test_a_gateway_is_paid_by_the_byte_and_an_instance_is_not() -> None:
    idle, busy = (total(way_out("nat-gateway", volume)) for volume in (0, 100 * costs.GB))
    assert busy - idle == pytest.approx(costs.DAYS * 100 * 0.045)
    assert total(way_out("nat-instance", 0)) == total(way_out("nat-instance", 100 * costs.GB))


def test_the_small_installation_costs_no_more_than_thirty_dollars() -> None:
    assert total(quantities(SMALL)) <= 30


def test_without_a_standby_everything_is_in_one_zone() -> None:
    network = template("infra/network.yaml")
    outputs = {name: output["Value"] for name, output in network["Outputs"].items()}
    zones = {
        name: properties("infra/network.yaml", name)["AvailabilityZone"] for name in ("PrivateSubnetA", "PublicSubnet")
    }
    assert zones["PrivateSubnetA"] == zones["PublicSubnet"], "the way out"
    functions = template()["Globals"]["Function"]["VpcConfig"]["Fn::If"][1]["SubnetIds"]["Fn::Split"][1]["Fn::If"][2]
    assert functions["Fn::If"][2] == {"Fn::GetAtt": ["PrivateNetwork", "Outputs.FirstSubnetId"]}
    assert outputs["FirstSubnetId"] == {"Ref": "PrivateSubnetA"}
    assert outputs["FirstZone"] == {"Fn::GetAtt": ["PrivateSubnetA", "AvailabilityZone"]}
    zone = properties("template.yaml", "PostgreSQL")["Parameters"]["Zone"]
    assert zone == {"Fn::GetAtt": ["PrivateNetwork", "Outputs.FirstZone"]}
    given = properties("infra/database.yaml", "Instance")["AvailabilityZone"]["Fn::If"]
    assert given == ["HasStandby", {"Ref": "AWS::NoValue"}, {"Ref": "Zone"}]


def test_a_lake_costs_its_storage_and_little_else() -> None:
    young, old = lake_quantities(30), lake_quantities(365)
    permanent = costs.PARQUET_BYTES + costs.SNAPSHOT_BYTES
    assert old["s3"] - young["s3"] == pytest.approx((60 * costs.LAKE_BYTES + 335 * permanent) / costs.GB)
    assert {name for name in young if young[name] != old[name]} == {"s3"}
    assert total(old, allowances=False) < 5
    # CHANGES_DAYS of the objects of changes are stored, never more.
    assert lake_quantities(465)["s3"] - old["s3"] == pytest.approx(100 * permanent / costs.GB)


def test_a_lake_adds_one_metric_and_its_alarm() -> None:
    assert (lake_quantities(30)["metric"], lake_quantities(30)["alarm"]) == (1, 1)
    assert quantities(SMALL)["metric"] == 6


def test_larger_is_dearer() -> None:
    assert total(quantities(SMALL)) < total(quantities(MEDIUM)) < total(quantities(LARGE))
