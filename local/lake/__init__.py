"""Commands for a lake in a folder or in S3: its check, and its conversion to Parquet."""
