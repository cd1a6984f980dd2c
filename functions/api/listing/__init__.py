"""Listings of rows with columns: filters, sort orders, cursors and pages, for any resource."""
