"""Imports: cells, rows, plans and totals of imported files."""
