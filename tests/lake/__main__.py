"""Random schedules of the lake, one after another: python -m tests.lake [--seeds 300] [--first 0] [--unconditional]

The exit status is 1 if a version is missing, doubled or different after a schedule; the seeds of these schedules are
printed. With --unconditional the storage lacks the condition on its keys, and the exit status is 0 at the first
schedule that fails, 1 if none does.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from kalshi_markets.lake.storage import FolderStorage
from kalshi_markets.settings import MigratorSettings
from local.postgres import PostgresServer
from migrator.migrate import migrate
from tests.lake import audit
from tests.lake.scenario import UnconditionalFolder, run_schedule
from tests.support.database import connect, environment_of

PROGRESS_SEEDS = 25


def main() -> int:
    """Run the schedules and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=300, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--unconditional", action="store_true", help="without the condition on keys")
    options = parser.parse_args()
    storage = UnconditionalFolder if options.unconditional else FolderStorage
    began, steps, failed = time.monotonic(), Counter[str](), 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        server = PostgresServer(folder / "postgres", settings={"fsync": "off", "synchronous_commit": "off"})
        server.start()
        try:
            environment = environment_of(server, server.database)
            database = connect(environment)
            migrate(database, MigratorSettings.from_env(environment))
            audit.install(database)
            database.close()
            for number, seed in enumerate(range(options.first, options.first + options.seeds), 1):
                differences, counts = run_schedule(environment, folder / "lakes" / str(seed), seed, storage)
                steps.update(counts)
                if differences:
                    failed += 1
                    print(f"seed {seed}: {'; '.join(differences)}", flush=True)
                    if options.unconditional:
                        return 0
                if number % PROGRESS_SEEDS == 0:
                    print(f"{number} of {options.seeds} schedules, {failed} failed", flush=True)
        finally:
            server.stop()
    print(f"{options.seeds} schedules in {time.monotonic() - began:.0f} s, {failed} failed: {dict(steps)}")
    return 1 if failed or options.unconditional else 0


if __name__ == "__main__":
    sys.exit(main())
