"""Check a lake, or convert it to Parquet: python -m local.lake check|compact.

LAKE names the lake: a folder, or s3://bucket/prefix. The exit status is 0 if the check finds every change, 1 if changes
are missing or damaged, 2 if there is no lake.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from kalshi_markets.lake.storage import LakeError, open_storage
from kalshi_markets.settings import SettingsError
from local.lake.check import Range, Report, check
from local.settings import lake_url

COMMANDS = ("check", "compact")


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit status."""
    command, *options = arguments or [""]
    if command not in COMMANDS:
        return _failed("lake", f"name a command: {' or '.join(COMMANDS)}.")
    if not os.environ.get("LAKE"):
        return _failed(command, f"LAKE is not set: make lake-{command} LAKE=.data/lake")
    try:
        url = lake_url(os.environ["LAKE"])
        if command == "compact":
            from local.lake.compact import compact  # imported here: it imports DuckDB

            return compact(url, _show)
        report = check(open_storage(url), _show)
    except (LakeError, SettingsError) as error:
        return _failed(command, str(error))
    except KeyboardInterrupt:
        print(f"\nmake lake-{command}: stopped.", file=sys.stderr)
        return 130
    print(json.dumps(asdict(report), indent=1) if "--json" in options else _table(report))
    return 0 if report.is_complete else 1


def _table(report: Report) -> str:
    covered = "no changes yet" if report.last is None else f"after {report.first:,}, up to {report.last:,}"
    lines = [
        f"lake       {report.lake_id}",
        f"changes    {covered}: {report.lines:,} versions in {report.objects:,} objects of {report.days:,} days",
        f"expired    {report.expired:,} objects, known by their manifests",
        f"backlog    {report.backlog_pages:,} objects",
        *(f"gap        {_range(gap)}" for gap in report.gaps),
        *(f"missing    {_range(item)}" for item in report.missing),
        *(f"damaged    {key}" for key in report.damaged),
    ]
    return "\n".join([*lines, "complete" if report.is_complete else "NOT complete"])


def _range(item: Range) -> str:
    return f"changes after {item.after:,}, up to {item.last:,}{f' ({item.why})' if item.why else ''}"


def _show(text: str) -> None:
    print(f"\r{text} ", end="", file=sys.stderr, flush=True)


def _failed(command: str, reason: str) -> int:
    print(f"make lake-{command}: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
