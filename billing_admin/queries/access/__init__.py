"""Reads of people, sessions and API tokens."""
