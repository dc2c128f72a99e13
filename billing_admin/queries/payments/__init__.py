"""Reads of payments, allocations and receivables."""
