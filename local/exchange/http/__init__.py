"""The HTTP side of the simulated exchange."""
