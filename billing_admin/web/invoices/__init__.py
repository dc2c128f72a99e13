"""Pages of invoices, drafts, corrections and document numbers."""
