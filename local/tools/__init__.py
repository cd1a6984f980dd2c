"""Programs that write files of this repository: locks, tables of the documentation, digests."""
