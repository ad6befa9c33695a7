"""Backup files that were made without a platform, whole or with a fault."""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from klever.backup.contract import contract
from klever.backup.members import CONSUMERS, DIGESTS, HEADER, SAVED_STREAMS, Header, StreamState, chunk_name, state_name

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_NAME, BLOBS_NAME = (f"registry/repositories/library/iris/{name}.json" for name in ("index", "blobs"))


def blob(content: bytes) -> tuple[str, bytes]:
    """The digest of a blob, and the blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}", content


def descriptor(digest: str, content: bytes, media_type: str = "application/octet-stream") -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


CONFIG, WEIGHTS = blob(b"{}"), blob(b"weights")
MANIFEST = blob(
    json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(*CONFIG),
            "layers": [descriptor(*WEIGHTS)],
        }
    ).encode()
)
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            descriptor(*MANIFEST, MANIFEST_TYPE) | {"annotations": {"org.opencontainers.image.ref.name": "v1"}}
        ],
    }
).encode()


def header(**changes: object) -> bytes:
    """The first member, with changes."""
    usual = Header(release="0.1.0", created_at=datetime(2026, 1, 31, tzinfo=UTC), contract=contract())
    return json.dumps(usual.model_dump(mode="json") | changes).encode()


def blob_name(digest: str) -> str:
    return f"registry/blobs/{digest.replace(':', '/')}"


def whole() -> dict[str, bytes]:
    """The members of a small valid backup, without the last one."""
    state = StreamState(messages=0, first_seq=1, last_seq=0, bytes=0).model_dump_json().encode()
    members = {HEADER: header(), "home/token": b"secret\n", CONSUMERS: b"[]"}
    for stream in SAVED_STREAMS:
        members |= {state_name(stream): state, chunk_name(stream, 1): b"snapshot"}
    members |= {blob_name(digest): content for digest, content in (CONFIG, WEIGHTS, MANIFEST)}
    return members | {INDEX_NAME: INDEX, BLOBS_NAME: json.dumps([CONFIG[0], WEIGHTS[0], MANIFEST[0]]).encode()}


def digests(members: Mapping[str, bytes]) -> bytes:
    """The last member."""
    return json.dumps(
        {name: {"size": len(each), "sha256": hashlib.sha256(each).hexdigest()} for name, each in members.items()}
    ).encode()


@dataclass
class BackupFile:
    """Writes an archive with exactly these members."""

    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, members: Mapping[str, bytes], *, last: bytes | None = None) -> "BackupFile":
        """An archive of members, with correct digests unless others are given."""
        file = cls()
        for name, content in (*members.items(), (DIGESTS, digests(members) if last is None else last)):
            file.add(name, content)
        return file

    def add(self, name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, target: str = "") -> None:
        """Add a member of any kind."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, len(content)
        self.members.append((member, content))

    def write(self, path: Path) -> Path:
        """Write the archive."""
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for member, content in self.members:
                archive.addfile(member, BytesIO(content))
        return path


def contents(path: Path) -> dict[str, bytes]:
    """The members of an archive, in order."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file is not None}
