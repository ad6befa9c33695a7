"""The local disk: one OCI image layout per repository, with blobs shared by hard links."""

from .accounts import AccountsFile, NoAccounts, verify_bcrypt
from .blobs import LocalBlobs
from .inventory import LocalInventory
from .layout import Layout
from .locks import LocalLocks
from .manifests import LocalManifests
from .policies import LocalPolicyCopies
from .uploads import LocalUploads

__all__ = [
    "AccountsFile",
    "Layout",
    "LocalBlobs",
    "LocalInventory",
    "LocalLocks",
    "LocalManifests",
    "LocalPolicyCopies",
    "LocalUploads",
    "NoAccounts",
    "verify_bcrypt",
]
