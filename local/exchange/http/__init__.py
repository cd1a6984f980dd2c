"""HTTP server of the simulated exchange."""
