"""Shared package of the crawler, the API and the migrator."""
