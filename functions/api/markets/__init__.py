"""GET /markets, one market and its history: parameters, filters, sort orders, cursors and SQL."""
