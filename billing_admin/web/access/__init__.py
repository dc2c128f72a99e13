"""Pages of people, API tokens, the own account and signing in."""
