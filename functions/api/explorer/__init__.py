"""Pages in a browser: HTML shells and their assets. The data comes from the public API, by scripts."""
