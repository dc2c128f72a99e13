"""What leaves as files: CSV."""
