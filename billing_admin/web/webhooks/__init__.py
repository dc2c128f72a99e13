"""Pages of webhook endpoints and their deliveries."""
