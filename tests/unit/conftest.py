"""Hypothesis settings of the unit tests: neither the speed of the machine nor chance decides whether one passes.

A profile applies to all tests of a run. The other tests that use Hypothesis have settings of their own.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
