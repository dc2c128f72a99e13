"""Pages of messages: texts, settings of mail, mailbox, and reminders."""
