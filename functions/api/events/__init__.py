"""Events: their listing and the markets of one event."""
