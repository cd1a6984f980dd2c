"""First contact with the real exchange: its answers are compared with what the code assumes of it."""
