"""Pages about charges.

They are list, entry, corrections, likely duplicates, recurring and unbilled charges.
"""
