"""GET /markets, one market and its history: the listing of the markets, and their statements."""
