"""The local disk: one OCI image layout per repository, with blobs shared by hard links."""

from .accounts import AccountsFile, NoAccounts, verify_bcrypt
from .blobs import LocalBlobs
from .copies import LocalCopies
from .inventory import LocalInventory
from .layout import Layout
from .locks import LocalLocks
from .manifests import LocalManifests
from .uploads import LocalUploads

__all__ = [
    "AccountsFile",
    "Layout",
    "LocalBlobs",
    "LocalCopies",
    "LocalInventory",
    "LocalLocks",
    "LocalManifests",
    "LocalUploads",
    "NoAccounts",
    "verify_bcrypt",
]
