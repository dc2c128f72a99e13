"""Pages of customers, services, tax rates, settings and the period lock."""
