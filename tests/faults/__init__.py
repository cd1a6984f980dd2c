"""The crawler under random faults, against the simulated exchange and a PostgreSQL that is killed: python -m tests.faults"""

import local  # noqa: F401  # puts the functions and the layer on the path, as on Lambda
