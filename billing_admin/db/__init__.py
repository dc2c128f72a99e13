"""Engine, transactions, prepared queries, bulk writes and paging."""
