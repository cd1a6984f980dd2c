"""Every version of every market, as objects in a bucket of S3 or as files in a folder (docs/lake.md)."""
