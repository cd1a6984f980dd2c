"""Comparison of the real exchange with the assumptions of this code."""
