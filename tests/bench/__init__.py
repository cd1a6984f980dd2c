"""Benchmarks of the figures that the project promises, each with a reference."""

import local  # noqa: F401  # puts the functions and the layer on the path, as on Lambda
