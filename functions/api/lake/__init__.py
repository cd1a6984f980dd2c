"""GET /lake: the closed days of the lake."""
