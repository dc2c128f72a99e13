"""Request handling that pages and the API share."""
