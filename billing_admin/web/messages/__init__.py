"""Pages of messages: their texts, the settings of mail, the development mailbox."""
