"""The only writers. They take a session, an actor and the moment, write the audit event beside the change, and never commit."""
