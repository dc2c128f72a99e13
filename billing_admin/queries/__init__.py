"""Reads: rows fully loaded, by name or by filter. They never add, flush or commit."""
