"""Request handling that pages and API share."""
