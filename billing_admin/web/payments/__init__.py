"""Pages of payments, ageing and statements."""
