"""Operations on messages to customers: the outbox, and its worker."""
