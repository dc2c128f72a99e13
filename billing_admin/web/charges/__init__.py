"""Pages about charges: list, entry, corrections, likely duplicates, recurring and unbilled charges."""
