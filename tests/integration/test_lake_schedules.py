"""Random schedules of the lake: every committed version is there once, and the chain is unbroken."""

from pathlib import Path

import pytest

from tests.lake import audit
from tests.lake.scenario import UnconditionalFolder, run_schedule

SEEDS = 20


@pytest.fixture(scope="module")
def audited(environment: dict[str, str]) -> dict[str, str]:
    from tests.support.database import connect

    database = connect(environment)
    audit.install(database)
    database.close()
    return environment


@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_any_schedule_every_version_is_in_the_lake_once(
    audited: dict[str, str], tmp_path: Path, seed: int
) -> None:
    differences, counts = run_schedule(audited, tmp_path, seed)
    assert differences == []
    assert counts["commit"] > 3


def test_without_the_condition_a_schedule_fails(audited: dict[str, str], tmp_path: Path) -> None:
    assert any(run_schedule(audited, tmp_path / str(seed), seed, UnconditionalFolder)[0] for seed in range(SEEDS))
