"""Crawler under random faults of the simulated exchange and of PostgreSQL: python -m tests.faults"""

import local  # noqa: F401  # puts the functions and the layer on the path, as on Lambda
