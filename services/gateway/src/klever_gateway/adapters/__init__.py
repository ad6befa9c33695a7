"""Implementations of the ports: SQLite, NATS, memory."""
