"""Every rule of the business, in pure Python: no clock, no Flask, no SQLAlchemy, nothing installed."""
