"""Pages of messages: outbox, texts, reminders, settings of mail, and mailbox."""
