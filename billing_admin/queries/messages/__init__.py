"""Reads of messages to customers and of their texts."""
