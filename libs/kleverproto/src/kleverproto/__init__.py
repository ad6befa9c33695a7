"""The Klever contract: events, documents, subjects and streams."""
