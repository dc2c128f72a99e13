"""The business rules in pure Python: no clock, no Flask, no SQLAlchemy, no installed packages."""
