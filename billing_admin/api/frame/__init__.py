"""The parts that all API routes share: routing, value types, authentication, errors and the OpenAPI document."""
