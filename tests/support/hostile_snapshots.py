"""Snapshots of streams that were not made by nats-server: tar archives in uncompressed frames of S2."""

import json
import tarfile
from io import BytesIO

IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
UNCOMPRESSED = b"\x01"
FRAME = 65_000
POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def framed(data: bytes) -> bytes:
    """The bytes in the framing format of Snappy, which S2 reads."""
    frames = [IDENTIFIER]
    for start in range(0, len(data), FRAME):
        piece = data[start : start + FRAME]
        crc = crc32c(piece)
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        frames += [UNCOMPRESSED, (len(piece) + 4).to_bytes(3, "little"), masked.to_bytes(4, "little"), piece]
    return b"".join(frames)


def snapshot_of(stream: str, *more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A snapshot of an empty stream with further members."""
    meta = {"name": stream, "subjects": [f"{stream}.>"], "storage": "file", "num_replicas": 1, "max_age": 0}
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in (entry("meta.inf", json.dumps(meta).encode()), entry("meta.sum", b"0" * 16), *more):
            tar.addfile(member, BytesIO(content))
    return framed(archive.getvalue())


def entry(
    name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    """A member of any kind."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, len(content)
    return member, content


def truncated(name: str, size: int) -> bytes:
    """A snapshot whose only member claims to have a size."""
    member = tarfile.TarInfo(name)
    member.size = size
    return framed(member.tobuf(tarfile.GNU_FORMAT) + bytes(512))
