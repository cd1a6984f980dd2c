"""Figures of what the project promises, each beside a reference."""

import local  # noqa: F401  # puts the functions and the layer on the path, as on Lambda
