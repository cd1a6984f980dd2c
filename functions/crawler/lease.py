"""Lease of the crawler: only one run at a time writes to the database."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from kalshi_markets.database import Database

LEASE_SECONDS: Final = 30
"""Duration of the lease. A run renews it with every page, and at least every 10 s.

After a crash, other runs are locked out for up to this time.
"""


class LeaseLost(Exception):
    """Lease that another invocation has acquired. This run must stop."""


class Lease:
    """Lease of one run. Methods raise DatabaseError.

    acquired_at: time of the acquisition, on the database's clock; None: not acquired.
    """

    def __init__(self, database: Database) -> None:
        self.acquired_at: datetime | None = None
        self._database = database
        self._table = f"{database.settings.table}_lease"
        self._holder = str(uuid.uuid4())  # not the request id: Lambda may deliver an event twice with the same id

    def acquire(self) -> bool:
        """Acquire the lease. Return False if another run holds it or is writing."""
        sql = f"""
            UPDATE {self._table} AS lease
            SET holder = $1::text, ends_at = clock_timestamp() + make_interval(secs => $2::int)
            FROM (SELECT only_row FROM {self._table} WHERE ends_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) AS free
            WHERE lease.only_row = free.only_row RETURNING clock_timestamp()"""
        rows = self._database.execute(sql, self._holder, LEASE_SECONDS)
        self.acquired_at = rows[0][0] if rows else None
        return bool(rows)

    def renew(self) -> None:
        """Extend the lease. Raises LeaseLost."""
        sql = f"""
            UPDATE {self._table} SET ends_at = clock_timestamp() + make_interval(secs => $2::int)
            WHERE holder = $1::text RETURNING 1"""
        if not self._database.execute(sql, self._holder, LEASE_SECONDS):
            raise LeaseLost

    def release(self) -> None:
        """Release the lease, so that the next invocation can acquire it at once."""
        sql = f"UPDATE {self._table} SET holder = NULL, ends_at = '-infinity' WHERE holder = $1::text"
        self._database.execute(sql, self._holder)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction under the lease. Raises LeaseLost.

        The renewal locks the lease's row until the commit, so that only one transaction writes at a time.
        """
        with self._database.transaction():
            self.renew()
            yield
