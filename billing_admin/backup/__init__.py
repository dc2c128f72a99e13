"""Backups of an installation: its database and its keys."""
