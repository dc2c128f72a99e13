"""One class for each kind of thing; each method is one call of `calls`."""
