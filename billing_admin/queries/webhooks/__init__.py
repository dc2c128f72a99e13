"""Reads of webhook endpoints, deliveries and payloads."""
