"""The parts that all API routes share.

They are routing, value types, authentication, errors and the OpenAPI document.
"""
