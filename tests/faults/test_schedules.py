from collections.abc import Iterator
from pathlib import Path

import pytest

from local.postgres import PostgresServer
from tests.faults.trial import server, trial

SEEDS = range(20)


@pytest.fixture(scope="module")
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with server(tmp_path_factory.mktemp("faults")) as postgres:
        yield postgres


@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_schedule_of_faults_the_table_is_the_exchange(
    seed: int, killable: PostgresServer, tmp_path: Path
) -> None:
    with trial(seed, killable, tmp_path) as one:
        one.run()
