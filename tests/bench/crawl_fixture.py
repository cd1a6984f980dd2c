"""Fixtures of the crawler's benchmarks: prepared pages of an exchange at two moments, and the crawler's tables."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crawler.jobs import all_jobs
from kalshi_markets.database import Database
from kalshi_markets.settings import CrawlerSettings, DatabaseSettings, MigratorSettings
from local import ROOT
from local.exchange.http.prerendered import MANIFEST
from migrator.migrate import migrate
from tests.bench.exchange import program
from tests.bench.server import TABLE, Connection
from tests.bench.table import NOW, SEED, run
from tests.bench.writes import Page

LATER: Final = 300
"""Seconds between the two moments: the interval of live passes."""
_TABLES: Final = ("details", "quotes", "history", "jobs", "seen", "events", "series", "rejects", "drift")
_WRITTEN: Final = ("details", "quotes", "history")


@dataclass(frozen=True)
class PageFolders:
    """Folders of prepared pages: at one moment, and LATER seconds afterwards."""

    first: Path
    later: Path


def prepare(folder: Path, markets: int) -> PageFolders:
    """Prepare the pages of both moments in parallel."""
    page_folders = PageFolders(folder / "first", folder / "later")
    moments = {page_folders.first: NOW, page_folders.later: NOW + LATER}
    made = [_program(*_of(markets), "--now", _iso(moment), "--prepare", path) for path, moment in moments.items()]
    assert not any(process.wait() for process in made)
    return page_folders


def live(markets: int, *options: object) -> AbstractContextManager[tuple[int, str]]:
    """Run an exchange that computes its pages. Yield its process id and URL."""
    return program("-m", "local.exchange", "--port", 0, *_of(markets), *options)


def serve(folder: Path, *options: object) -> AbstractContextManager[tuple[int, str]]:
    """Run an exchange of prepared pages. Yield its process id and URL."""
    return program("-m", "local.exchange", "--port", 0, "--prepared", folder, *options)


def pages(folder: Path) -> list[Page]:
    """Return the live markets of a folder, in pages."""
    listed = json.loads((folder / MANIFEST).read_bytes())["pages"]
    bodies = [(folder / page["file"]).read_bytes() for page in listed if "status=" in page["query"]]
    return [json.loads(body, parse_float=Decimal)["markets"] for body in bodies]


def customer(folder: Path) -> tuple[str, dict[str, str]]:
    """Create an API key. Return the exchange's option for it, and the crawler's settings."""
    file = folder / "key.pem"
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    return f"bench={file}", {"KEYID": "bench", "KEYFILE": str(file)}


class CrawlerTables:
    """Direct access to the crawler's tables."""

    def __init__(self, environment: Mapping[str, str], connection: Connection) -> None:
        self._connection = connection
        with closing(Database(DatabaseSettings.from_env(environment), application_name="bench")) as owner:
            migrate(owner, MigratorSettings.from_env({}))

    def truncate(self) -> None:
        """Empty all tables."""
        run(self._connection, f"TRUNCATE {', '.join(f'{TABLE}_{name}' for name in _TABLES)}")

    def set_due(self, *due: str) -> None:
        """Make these jobs due now, and all others due in a day."""
        names = [walk.name for walk in all_jobs(CrawlerSettings.from_env({"LAKE_URL": "file:///lake"}))]
        self._connection.execute(
            f"INSERT INTO {TABLE}_jobs (job, started_at, confirmed_at)"
            " SELECT job, tomorrow, tomorrow FROM unnest(%s::text[]) AS job, (SELECT now() + interval '1 day') AS t(tomorrow)"
            " ON CONFLICT (job) DO UPDATE"
            " SET position = NULL, started_at = excluded.started_at, confirmed_at = excluded.confirmed_at",
            [names],
        )
        self._connection.execute(
            f"UPDATE {TABLE}_jobs SET started_at = NULL, confirmed_at = NULL WHERE job = ANY(%s)", [list(due)]
        )

    def drop_unseen(self) -> None:
        """Delete the markets that the last live passes did not list, then vacuum the tables."""
        for part in ("details", "quotes"):
            run(
                self._connection,
                f"DELETE FROM {TABLE}_{part} WHERE hashtextextended(ticker, 0) NOT IN"
                f" (SELECT unnest(tickers) FROM {TABLE}_seen)",
            )
        run(self._connection, f"VACUUM ANALYZE {', '.join(f'{TABLE}_{name}' for name in _TABLES)}")

    def wal_bytes(self) -> int:
        """Return the number of WAL bytes written so far."""
        return int(run(self._connection, "SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])

    def outbox_bytes(self) -> int:
        """Return the size of the lines in the outbox of the lake, in bytes."""
        size = f"SELECT coalesce(sum(bytes), 0) FROM {TABLE}_outbox"
        return int(run(self._connection, size)[0][0])

    def rows_written(self) -> int:
        """Return the number of rows of markets and history that were inserted, updated or deleted so far."""
        time.sleep(1)  # a session reports its statistics when it ends, shortly after its client has disconnected
        names = ", ".join(f"'{TABLE}_{name}'" for name in _WRITTEN)
        counted = f"SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname IN ({names})"
        return int(run(self._connection, counted)[0][0])


def _of(markets: int) -> Sequence[object]:
    return ("--seed", SEED, "--markets", markets)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _program(*arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "local.exchange", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
