"""Signatures as OCI referrers of models. Equal signatures have equal bytes, and therefore equal digests."""

import json
from dataclasses import dataclass
from hashlib import sha256

from kleverproto.signatures import Signature

from .manifests import Descriptor
from .media_types import EMPTY, EMPTY_CONTENT, OCI_MANIFEST, SIGNATURE

LONGEST = 16 * 1024 * 1024
"""Maximum size of a signature in bytes. Klever does not write larger ones."""


@dataclass(frozen=True)
class SignatureArtifact:
    """The manifest and the blobs of an attached signature."""

    manifest: bytes
    blobs: dict[str, bytes]
    """Contents by digest."""


def build(signature: Signature, subject: Descriptor) -> SignatureArtifact:
    """Build the referrer of a model: an empty config, and the signature as the only layer (image-spec, artifacts)."""
    content = canonical(signature.model_dump(mode="json", exclude_defaults=True))
    config, layer = _descriptor(EMPTY, EMPTY_CONTENT), _descriptor(SIGNATURE, content)
    bare = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SIGNATURE,
        "config": config.as_json(),
        "layers": [layer.as_json()],
        "subject": bare.as_json(),
    }
    return SignatureArtifact(canonical(manifest), {config.digest: EMPTY_CONTENT, layer.digest: content})


def digest_of(content: bytes) -> str:
    """Return the sha256 digest of bytes in OCI format."""
    return f"sha256:{sha256(content).hexdigest()}"


def _descriptor(media_type: str, content: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(content), size=len(content))


def canonical(value: object) -> bytes:
    """Return canonical JSON: equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
