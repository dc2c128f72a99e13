"""Reads of charges, recurring charges and unbilled totals."""
