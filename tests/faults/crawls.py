"""Crawler in a process of its own that can be killed at any moment."""

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.process import BaseProcess

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.crawls", "tests.support.api_client"])


def start(environment: Mapping[str, str], seconds: float) -> BaseProcess:
    """Start an invocation with a timeout in seconds, as Lambda has. The exit code is 0 if the handler returned."""
    process = _context.Process(target=_invoke, args=(dict(environment), seconds), daemon=True)
    process.start()
    return process


def _invoke(environment: Mapping[str, str], seconds: float) -> None:
    os.environ.update(environment)
    from tests.support.api_client import crawl  # its dependencies were imported before the fork

    # Other tests check the logs and metrics.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # no file
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        crawl(environment, seconds)
    except Exception:  # noqa: BLE001  # the database may be down: the next invocation continues
        os._exit(1)
    os._exit(0)
