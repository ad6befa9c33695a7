"""What the ports are made of: SQLite, NATS, memory."""
