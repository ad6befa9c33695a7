"""Backups of a platform: creation, verification and restoration (docs/adr/0047)."""
