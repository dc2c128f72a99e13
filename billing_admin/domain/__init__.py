"""The business rules in pure Python.

The package has no clock, no Flask, no SQLAlchemy and no installed packages.
"""
