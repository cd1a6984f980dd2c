"""Schedules of faults, run one after another: python -m tests.faults [--seeds 200] [--first 0] [--workers 3]

The exit status is 1 if the table differs from the exchange after a schedule; the seeds of these schedules are printed.
"""

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.faults.scenario import run_schedules


def main() -> int:
    """Run the schedules and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=3, help="how many at once; they wait much")
    options = parser.parse_args()
    began, failed, done = time.monotonic(), [], 0
    seeds = [*range(options.first, options.first + options.seeds)]
    chunks = [seeds[at : at + 5] for at in range(0, len(seeds), 5)]
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        for chunk in as_completed({pool.submit(run_schedules, chunk): chunk for chunk in chunks}):
            failures = chunk.result()
            failed += failures
            done += 5
            print(f"{min(done, len(seeds))} of {len(seeds)} schedules, {len(failed)} failed", flush=True)
            for seed, error in failures:
                print(f"seed {seed}: {error}", flush=True)
    print(f"{len(seeds)} schedules in {time.monotonic() - began:.0f} s, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
