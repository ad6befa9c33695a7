"""The recognition of models among pushed artifacts, and their description in the catalogue."""

from pathlib import Path

import pytest

from klever_registry.domain.manifests import parse_manifest
from klever_registry.service.embedded import Embedded
from klever_registry.service.recognizing import Recognizer
from kleverkit.errors import PermanentError
from kleverproto.models import ModelSpec
from kleverproto.references import ModelRef
from support import foreign_artifacts as foreign
from support import hostile_artifacts as hostile
from support import oci_artifacts as oci
from support.foreign_artifacts import Entry, Layer, Section
from support.registry_units import ADDRESS, REPOSITORY, RegistryUnits

REF = ModelRef.parse(f"{REPOSITORY}:v1")
LAYER = "application/vnd.oci.image.layer.v1."
IMAGE = "application/vnd.oci.image.config.v1+json"


@pytest.fixture
def registry(tmp_path: Path) -> RegistryUnits:
    return RegistryUnits(tmp_path)


class CountingEmbedded(Embedded):
    """Counts how often a layer is read."""

    count = 0

    async def start_of_blob(self, repository: str, digest: str, size: int) -> bytes:
        self.count += 1
        return await super().start_of_blob(repository, digest, size)


async def recognized(registry: RegistryUnits, artifact: oci.Artifact, *parts: oci.Artifact) -> ModelSpec | None:
    for one in (*parts, artifact):
        for blob in one.blobs:
            await registry.blobs.put(REPOSITORY, oci.sha256(blob), blob)
        manifest = parse_manifest(one.manifest, one.digest, oci.OCI_MANIFEST if one.blobs else None)
        await registry.manifests.put(REPOSITORY, manifest, None)
    return await Recognizer(registry.embedded, ADDRESS).spec(REF, manifest)


def image(*layers: Layer) -> oci.Artifact:
    return foreign.artifact(IMAGE, {}, *layers)


def layer(packing: str, *entries: Entry) -> Layer:
    return Layer(LAYER + packing, foreign.packed(packing, *entries))


async def test_a_model_is_described_from_its_manifest_alone(registry: RegistryUnits) -> None:
    artifact = oci.model(b"12345")
    described = await recognized(registry, artifact)
    assert described is not None
    assert (described.digest, described.size, described.artifact_type) == (artifact.digest, 5, oci.MODEL)
    assert (described.metadata.format, described.metadata.author) == ("ONNX", "Ada")
    assert [(part.path, part.size) for part in described.layers] == [("model/model.onnx", 5)]


async def test_an_image_without_a_model_its_index_and_a_referrer_are_not_models(registry: RegistryUnits) -> None:
    plain = oci.image()
    for artifact in (plain, oci.index(plain), oci.referrer(oci.model(), oci.MODEL)):
        assert await recognized(registry, artifact, plain) is None


@pytest.mark.parametrize("packing", ["tar", "tar+gzip", "tar+zstd"])
@pytest.mark.parametrize("name", ["models/m.onnx", "./models/m.onnx", "models/"])
async def test_an_image_with_a_model_is_a_model(registry: RegistryUnits, packing: str, name: str) -> None:
    content = b"" if name.endswith("/") else b"onnx"
    base = layer("tar+gzip", Entry("etc/passwd", b"root"))
    assert await recognized(registry, image(base, layer(packing, Entry(name, content)))) is not None


async def test_only_the_start_of_an_images_layers_is_read(registry: RegistryUnits) -> None:
    large = layer("tar", Entry("models/m.onnx", bytes(1024 * 1024)))
    assert await recognized(registry, image(large)) is not None
    behind = layer("tar", Entry("usr/lib/x", bytes(1024 * 1024)), Entry("models/m.onnx", b"onnx"))
    assert await recognized(registry, image(behind)) is None


@pytest.mark.parametrize(
    "layers",
    [
        (Layer(LAYER + "tar+gzip", b"no archive"),),
        (Layer(LAYER + "tar+zstd", b"no archive"),),
        (Layer(LAYER + "tar", b""),),
        (Layer("application/vnd.example.unknown", foreign.packed("tar", Entry("models/m.onnx", b"onnx"))),),
        (layer("tar", Entry("models.txt", b"x"), Entry("opt/models/m.onnx", b"x")),),
        (),
    ],
)
async def test_an_image_whose_layers_show_no_model_is_not_a_model(
    registry: RegistryUnits, layers: tuple[Layer, ...]
) -> None:
    assert await recognized(registry, image(*layers)) is None


async def test_an_image_is_inspected_once(registry: RegistryUnits) -> None:
    """Each comparison checks every tag that is not in the catalogue."""
    plain = image(layer("tar", Entry("etc/passwd", b"root")))
    for blob in plain.blobs:
        await registry.blobs.put(REPOSITORY, oci.sha256(blob), blob)
    embedded = CountingEmbedded(registry.manifests, registry.blobs)
    recognizer = Recognizer(embedded, ADDRESS)
    manifest = parse_manifest(plain.manifest, plain.digest, oci.OCI_MANIFEST)
    assert [await recognizer.spec(REF, manifest) for _ in range(3)] == [None, None, None]
    assert embedded.count == 1


async def test_an_index_of_a_model_is_a_version_with_the_digest_of_the_index(registry: RegistryUnits) -> None:
    child = oci.model(b"12345")
    index = oci.index(child)
    described = await recognized(registry, index, child)
    assert described is not None
    assert (described.digest, described.size, described.metadata.format) == (index.digest, 5, "ONNX")


async def test_an_index_without_its_manifest_is_not_treated_as_no_model(registry: RegistryUnits) -> None:
    with pytest.raises(PermanentError, match="lost the manifest"):
        await recognized(registry, oci.index(oci.model()))


async def test_the_names_and_the_framework_of_other_tools_are_in_the_catalogue(registry: RegistryUnits) -> None:
    of_modctl = await recognized(registry, foreign.modctl(Section("weight", {"dir/m.onnx": b"onnx"}), format="onnx"))
    assert of_modctl is not None
    assert ([part.path for part in of_modctl.layers], of_modctl.metadata.format) == (["dir/m.onnx"], "ONNX")
    kitfile = {"model": {"path": "m.onnx", "framework": "pytorch"}}
    of_kit = await recognized(registry, foreign.kit(kitfile, Section("model", {"m.onnx": b"onnx"})))
    assert of_kit is not None
    assert of_kit.metadata.framework == "pytorch"


@pytest.mark.parametrize("ending", ["", ".sig", ".att", ".sbom"])
async def test_tags_of_referrers_are_not_versions(registry: RegistryUnits, ending: str) -> None:
    """`cosign copy` points such a tag at the copied artifact, even a model. It is not a named version."""
    await registry.push(oci.model().digest.replace(":", "-") + ending, oci.model())
    await registry.push("v1", oci.model())
    await registry.work()
    assert await registry.versions() == [f"{REPOSITORY}:v1"]
    await registry.reconciler.reconcile()
    assert not registry.announcer.pending._waiting


LARGE_MODELFILE = {"format": "ONNX", "description": "d" * (600 * 1024)}


@pytest.mark.parametrize(
    ("artifact", "says"),
    [
        (hostile.with_config(b"[" * 100_000), "config is not a JSON object: it is nested"),
        (hostile.with_config(b"[1]"), "config is not a JSON object"),
        (hostile.with_config(b"[" * 100_000, hostile.KITFILE_CONFIG), "config is not a JSON object: it is nested"),
        (hostile.with_modelfile({"author": {"x": 1}}), "layout modelpack, but author of it is wrong"),
        (hostile.with_modelfile(LARGE_MODELFILE), "in the catalogue, more than"),
        (hostile.with_config(b"{}" + b" " * 5_000_000), "the config has 5000002 bytes"),
    ],
)
async def test_a_model_that_cannot_be_announced_is_refused_with_the_reason(
    registry: RegistryUnits, artifact: oci.Artifact, says: str
) -> None:
    with pytest.raises(PermanentError, match=says):
        await recognized(registry, artifact)


async def test_metadata_of_the_wrong_type_are_omitted(registry: RegistryUnits) -> None:
    recognised = await recognized(registry, hostile.with_config(b'{"AUTHOR": {"x": 1}, "format": "ONNX"}'))
    assert recognised is not None
    assert (recognised.metadata.author, recognised.metadata.format) == (None, "ONNX")
