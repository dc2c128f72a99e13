"""Reads: fully loaded rows, one by name or many by filter.

Queries never add, flush or commit.
"""
