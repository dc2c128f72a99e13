"""How the product speaks: the texts that people read, and the words that code and texts do not use."""
