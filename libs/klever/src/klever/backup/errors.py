"""Errors of backups."""

from klever.errors import KleverError


class BackupError(KleverError):
    """A backup cannot be created or restored; the message says why and what to do."""
