"""What the crawler, the API and the migrator share."""
