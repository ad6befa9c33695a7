"""Model artifacts as other tools write them; blobs by digest."""

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

import zstandard

from support.oci_artifacts import OCI_MANIFEST, Artifact, descriptor, sha256

LINK, HARD_LINK, DEVICE, DIRECTORY = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE


@dataclass
class Entry:
    """One entry of an archive; a file unless another type is given."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    size: int | None = None
    """The size in the header, if it differs from the real one."""


def tar(*entries: Entry) -> bytes:
    """An archive of these entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.size = entry.type, entry.link, len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content))
    return out.getvalue()


def packed(kind: str, *entries: Entry) -> bytes:
    """An archive, compressed as the suffix of its media type says."""
    return compressed(kind, tar(*entries))


def compressed(kind: str, plain: bytes) -> bytes:
    """Bytes, compressed as the suffix of a media type says."""
    if kind.endswith("gzip"):
        return gzip.compress(plain, mtime=0)
    return zstandard.compress(plain) if kind.endswith("zstd") else plain


@dataclass
class Layer:
    """A layer of an artifact."""

    media_type: str
    content: bytes
    annotations: dict[str, str] = field(default_factory=dict)


def artifact(config_type: str, config: Any, *layers: Layer, **more: Any) -> Artifact:
    """A manifest of these layers."""
    text = json.dumps(config).encode()
    described = [
        descriptor(layer.content, layer.media_type, **({"annotations": layer.annotations} if layer.annotations else {}))
        for layer in layers
    ]
    document = {"schemaVersion": 2, "config": descriptor(text, config_type), "layers": described, **more}
    return Artifact(json.dumps(document).encode(), (text, *(layer.content for layer in layers)))


def ormb_v1alpha1(*entries: Entry, **metadata: Any) -> Artifact:
    """As the Go `ormb` writes it."""
    config = {"created": "0001-01-01T00:00:00Z", "format": "ONNX", "author": "Ada", **metadata}
    layer = Layer("application/tar+gzip", packed("tar+gzip", *(entries or (Entry("model/model.onnx", b"onnx"),))))
    return artifact("application/vnd.caicloud.model.config.v1alpha1+json", config, layer)


def legacy_modelpack() -> Artifact:
    """As modctl before 0.2 writes it: the `cnai` spelling, one raw file."""
    about = {"descriptor": {"authors": ["Ada"], "description": "irises"}, "config": {"format": "onnx"}, "modelfs": {}}
    layer = Layer("application/vnd.cnai.model.weight.v1.raw", b"onnx", {"org.cnai.model.filepath": "model.onnx"})
    kind = "application/vnd.cnai.model.manifest.v1+json"
    return artifact(
        "application/vnd.cnai.model.config.v1+json", about, layer, artifactType=kind, mediaType=OCI_MANIFEST
    )


def modelpack_of_archives(ending: str) -> Artifact:
    """A ModelPack whose weights are an archive."""
    kind = f"application/vnd.cncf.model.weight.v1.{ending}"
    layer = Layer(kind, packed(ending, Entry("model.onnx", b"onnx")))
    config: dict[str, Any] = {"descriptor": {}, "config": {}, "modelfs": {}}
    artifact_type = "application/vnd.cncf.model.manifest.v1+json"
    return artifact("application/vnd.cncf.model.config.v1+json", config, layer, artifactType=artifact_type)


def modelkit() -> Artifact:
    """As `kit pack` writes it."""
    kitfile = {"package": {"name": "iris", "authors": ["Ada"]}, "model": {"path": "model.onnx", "framework": "sklearn"}}
    prefix = "application/vnd.kitops.modelkit."
    layers = [
        Layer(f"{prefix}model.v1.tar+gzip", packed("tar+gzip", Entry("model.onnx", b"onnx"))),
        Layer(f"{prefix}docs.v1.tar", packed("tar", Entry("docs", type=DIRECTORY), Entry("docs/README.md", b"read"))),
    ]
    return artifact(f"{prefix}config.v1+json", kitfile, *layers)


def docker_model() -> Artifact:
    """As `docker model package` writes it: two shards and a licence, without names."""
    prefix = "application/vnd.docker.ai."
    layers = [Layer(f"{prefix}safetensors", b"one"), Layer(f"{prefix}safetensors", b"two")]
    config_type = f"{prefix}model.config.v0.1+json"
    return artifact(config_type, {"config": {}}, *layers, Layer(f"{prefix}license", b"MIT"))


def modelcar() -> Artifact:
    """An image with a model under /models, of which a later layer removes a file."""
    image = "application/vnd.oci.image."
    first = [Entry("etc/passwd", b"root"), Entry("models/model.onnx", b"old"), Entry("models/extra.txt", b"x")]
    second = [
        Entry("models/model.onnx", b"onnx"),
        Entry("models/.wh.extra.txt"),
        Entry("models/same", link="model.onnx", type=LINK),
    ]
    layers = [Layer(f"{image}layer.v1.tar+gzip", packed("tar+gzip", *entries)) for entries in (first, second)]
    return artifact(f"{image}config.v1+json", {"architecture": "amd64"}, *layers)


@dataclass(frozen=True)
class Section:
    """A layer of another tool's artifact.

    Attributes:
        kind: as in the media type: `model`, `weight`, `docs`.
        files: contents by their paths in the artifact.
    """

    kind: str
    files: dict[str, bytes]


def kit(
    kitfile: dict[str, Any], *sections: Section, packing: str = "tar+gzip", diff_id: str = "", **annotations: str
) -> Artifact:
    """A ModelKit as kit 1.15 packs it: the Kitfile has the digests of layers, packed and unpacked.

    Args:
        kitfile: its `model` describes the first section; `digest` and `diffId` are added there.
        sections: layers; a raw one has one file.
        packing: the end of each layer's media type.
        diff_id: declared by the Kitfile for the model, if it differs from that of the unpacked layer.
        annotations: of the first layer, instead of the path.
    """
    layers, described = [], dict(kitfile)
    for at, section in enumerate(sections):
        plain = _plain(section, packing)
        layer = Layer(f"application/vnd.kitops.modelkit.{section.kind}.v1.{packing}", compressed(packing, plain))
        layer.annotations = (annotations if at == 0 else {}) or {"org.cncf.model.filepath": next(iter(section.files))}
        layers.append(layer)
        if section.kind == "model":
            described["model"] = {
                **kitfile["model"],
                "digest": sha256(layer.content),
                "diffId": diff_id or sha256(plain),
            }
    artifact_type = "application/vnd.kitops.modelkit.manifest.v1+json"
    config = "application/vnd.kitops.modelkit.config.v1+json"
    return artifact(config, described, *layers, artifactType=artifact_type, mediaType=OCI_MANIFEST)


def modctl(*sections: Section, packing: str = "raw", diff_id: str = "", **about: Any) -> Artifact:
    """A ModelPack as modctl 0.2.2 builds it: the `cnai` names, one layer for each file, none marked as the model.

    Args:
        sections: each with one file.
        packing: the end of each layer's media type.
        diff_id: declared by the config, if it differs from those of the unpacked layers.
        about: the `config` of the config.
    """
    plains = [_plain(section, packing) for section in sections]
    layers = [
        Layer(
            f"application/vnd.cnai.model.{section.kind}.v1.{packing}",
            compressed(packing, plain),
            {"org.cnai.model.filepath": next(iter(section.files))},
        )
        for section, plain in zip(sections, plains, strict=True)
    ]
    modelfs = {"type": "layers", "diffIds": [diff_id or sha256(plain) for plain in plains]}
    kind = "application/vnd.cnai.model.manifest.v1+json"
    config = {"descriptor": {"name": "m"}, "modelfs": modelfs, "config": about}
    return artifact(
        "application/vnd.cnai.model.config.v1+json", config, *layers, artifactType=kind, mediaType=OCI_MANIFEST
    )


def _plain(section: Section, packing: str) -> bytes:
    if packing.startswith("raw"):
        (content,) = section.files.values()
        return content
    return tar(*(Entry(name, content) for name, content in section.files.items()))
