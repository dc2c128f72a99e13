"""Reads of customers, services, tax rates and the organisation."""
