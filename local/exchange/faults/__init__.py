"""Faults that the simulated exchange injects on demand."""
