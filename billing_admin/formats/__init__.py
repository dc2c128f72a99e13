"""Formats of files: CSV, Excel, PDF, the journal, and their verification."""
