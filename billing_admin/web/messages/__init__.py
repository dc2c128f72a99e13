"""Pages of messages: the settings of mail, and the mailbox of development."""
