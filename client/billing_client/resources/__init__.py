"""One class for each kind of object; each method makes one call of `calls`."""
