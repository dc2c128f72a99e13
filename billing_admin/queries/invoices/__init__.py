"""Reads of invoices, credit notes and number series."""
