"""The local disk: one standard OCI image layout per repository, blobs shared between them by hard links."""

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
