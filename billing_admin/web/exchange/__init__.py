"""Pages of exports, imports, the journal and file verification."""
