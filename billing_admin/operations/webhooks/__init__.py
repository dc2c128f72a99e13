"""Operations on webhook endpoints, deliveries and the outbox."""
