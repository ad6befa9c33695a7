"""Raw uploads and downloads of one blob: the speed of a registry without a client's own work."""

import hashlib
import http.client
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.report import Figure, at_least

MIB = 2**20
ROUNDS = 3


def throughput(hosts: Mapping[str, str], size: int) -> list[Figure]:
    """Send and fetch one whole blob in turns with both registries. The figures are ours over CNCF distribution's.

    Args:
        hosts: `distribution` and `ours` to host:port.
        size: bytes of the blob.
    """
    speeds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "blob"
        for _ in range(ROUNDS):
            digest = _make(path, size)
            for name, host in hosts.items():
                speeds[f"{name} upload"].append(size / MIB / _upload(host, path, digest))
                speeds[f"{name} download"].append(size / MIB / _download(host, digest, size))
    return [figure for way in ("upload", "download") for figure in _figures(speeds, way)]


def _figures(speeds: Mapping[str, list[float]], way: str) -> list[Figure]:
    ours, theirs = speeds[f"ours {way}"], speeds[f"distribution {way}"]
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    return [
        Figure(f"raw {way}, CNCF distribution", f"{median(theirs):.0f} MiB/s"),
        at_least(f"raw {way}: ours / CNCF distribution", ratio, 1, "x"),
    ]


def _make(path: Path, size: int) -> str:
    hasher = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // MIB):
            chunk = os.urandom(MIB)
            hasher.update(chunk)
            file.write(chunk)
    return f"sha256:{hasher.hexdigest()}"


def _upload(host: str, path: Path, digest: str) -> float:
    """Seconds from the first request to the answer that the blob is stored."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/v2/bench/raw/blobs/uploads/", headers={"Content-Length": "0"})
    opened = connection.getresponse()
    opened.read()
    place = urlsplit(opened.headers["Location"])
    target = f"{place.path}?{place.query}&digest={digest}" if place.query else f"{place.path}?digest={digest}"
    connection.putrequest("PUT", target)
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(path.stat().st_size))
    connection.endheaders()
    with path.open("rb") as file:
        connection.sock.sendfile(file)
    _expect(connection, 201).read()
    connection.close()
    return time.monotonic() - began


def _download(host: str, digest: str, size: int) -> float:
    """Seconds until the last byte."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/v2/bench/raw/blobs/{digest}")
    response, buffer, got = _expect(connection, 200), bytearray(MIB), 0
    while count := response.readinto(buffer):
        got += count
    connection.close()
    if got != size:
        raise ValueError(f"{host} sent {got} bytes of {size}")
    return time.monotonic() - began


def _expect(connection: http.client.HTTPConnection, status: int) -> http.client.HTTPResponse:
    response = connection.getresponse()
    if response.status != status:
        raise ValueError(f"{connection.host} answered {response.status}: {response.read()[:200]!r}")
    return response
