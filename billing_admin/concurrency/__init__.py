"""Generic helpers for threads, without business words."""
