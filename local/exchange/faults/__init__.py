"""Fault injection for the simulated exchange."""
