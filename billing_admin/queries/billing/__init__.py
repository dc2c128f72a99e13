"""Reads of billing runs and their preview."""
