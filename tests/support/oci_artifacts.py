"""Small artifacts, and a client that uses the distribution API directly."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
MODEL = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
EMPTY = "application/vnd.oci.empty.v1+json"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content), **more}


@dataclass(frozen=True)
class Artifact:
    """A manifest and the blobs that it names."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        return sha256(self.manifest)


def model(weights: bytes = b"weights", *, model_format: str = "ONNX", **more: Any) -> Artifact:
    """A model in the ModelPack layout, with its ormbfile as an annotation."""
    layer = descriptor(weights, WEIGHT, annotations={"org.cncf.model.filepath": "model/model.onnx"})
    modelfile = json.dumps({"format": model_format, "author": "Ada", "labels": {"team": "a"}})
    annotations = {"dev.klever.ormb.modelfile": modelfile}
    return _artifact(MODEL, MODEL_CONFIG, (b'{"config":{}}', weights), layers=[layer], annotations=annotations, **more)


def image(content: bytes = b"layer", **more: Any) -> Artifact:
    """An image without a model."""
    layer = descriptor(content, "application/vnd.oci.image.layer.v1.tar")
    return _artifact(None, "application/vnd.oci.image.config.v1+json", (b"{}", content), layers=[layer], **more)


def referrer(subject: Artifact, artifact_type: str, content: bytes = b"about") -> Artifact:
    """An artifact that refers to another one."""
    about = descriptor(subject.manifest, OCI_MANIFEST)
    layer = descriptor(content, "text/plain")
    return _artifact(artifact_type, EMPTY, (b"{}", content), layers=[layer], subject=about)


def artifact_of_nothing() -> Artifact:
    """An artifact that is neither a model nor an image."""
    return artifact_of(b"about")


def artifact_of(*contents: bytes) -> Artifact:
    """An artifact that is neither a model nor an image, with these layers."""
    layers = [descriptor(content, "text/plain") for content in contents]
    return _artifact("application/vnd.example.thing", EMPTY, (b"{}", *contents), layers=layers)


def index(*children: Artifact) -> Artifact:
    """A list of manifests."""
    manifests = [descriptor(child.manifest, OCI_MANIFEST) for child in children]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return Artifact(json.dumps(document).encode(), ())


def _artifact(artifact_type: str | None, config_type: str, blobs: tuple[bytes, ...], **more: Any) -> Artifact:
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(blobs[0], config_type), **more}
    if artifact_type:
        document["artifactType"] = artifact_type
    return Artifact(json.dumps(document).encode(), blobs)


@dataclass(frozen=True)
class Answer:
    """An answer of the registry."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["errors"][0]["code"])


class OciClient:
    """Sends single requests."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self.address = address

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        async with self._session.request(method, url, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def begin(self, repository: str) -> str:
        """Start an upload. Return its location."""
        answer = await self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert answer.status == 202, answer
        return answer.headers["Location"]

    async def push_blob(self, repository: str, content: bytes) -> Answer:
        location = await self.begin(repository)
        return await self.request("PUT", location, params={"digest": sha256(content)}, data=content)

    async def put_manifest(
        self, repository: str, reference: str, artifact: Artifact, *, media_type: str | None = None
    ) -> Answer:
        kind = media_type or json.loads(artifact.manifest)["mediaType"]
        path = f"/v2/{repository}/manifests/{reference}"
        return await self.request("PUT", path, data=artifact.manifest, headers={"Content-Type": kind})

    async def push(
        self, repository: str, reference: str, artifact: Artifact, *, media_type: str | None = None
    ) -> Answer:
        """Push the blobs, then the manifest."""
        for blob in artifact.blobs:
            answer = await self.push_blob(repository, blob)
            assert answer.status == 201, answer
        answer = await self.put_manifest(repository, reference, artifact, media_type=media_type)
        assert answer.status == 201, answer
        return answer
