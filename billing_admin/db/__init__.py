"""Everything that talks to a database driver: engine, transactions, prepared queries, bulk writes, paging."""
