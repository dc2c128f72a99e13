"""The only writers.

Operations take a session, an actor and the current moment. They record an audit event with each change and never commit.
"""
