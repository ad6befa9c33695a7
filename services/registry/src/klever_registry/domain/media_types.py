"""Media types and annotations of the registry (OCI image-spec 1.1)."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})

EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_CONTENT = b"{}"
OCTET_STREAM = "application/octet-stream"

SIGNATURE = "application/vnd.klever.signature.v1+json"
"""The artifactType of the referrer with a model's signature, and the type of its only layer."""

REF_NAME = "org.opencontainers.image.ref.name"
SUBJECT = "dev.klever.registry.subject"
"""Annotation of a descriptor in index.json: the subject of the manifest, for listing referrers without manifests."""
DELETED_TAGS = "dev.klever.registry.deleted-tags"
"""Annotation of index.json, a JSON list: the tags that were deleted and not pushed since. Any other missing tag was
lost."""
