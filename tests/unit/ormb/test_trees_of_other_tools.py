"""The files of another tool's artifact that are the model, and the places of the others in an export."""

import json
from pathlib import Path

import pytest

from ormb.comparing import compare
from ormb.errors import DestinationError, UnsafePathError, UnsupportedArtifactError
from ormb.exporting import is_exported, staged
from ormb.modelfile import load_modelfile
from ormb.reading import parse_manifest
from support import foreign_artifacts as foreign
from support.exports import export
from support.foreign_artifacts import Layer, Section
from support.model_files import of_each_format
from support.oci_artifacts import Artifact, sha256

MODELS = {name: content for name, (_, content) in of_each_format().items()}
ONNX, GGUF, XGBOOST = MODELS["ONNX"], MODELS["GGUF"], MODELS["XGBoost"]
DATA, CODE, DOCS = (
    Section("dataset", {"data/train.csv": b"a,b"}),
    Section("code", {"src/train.py": b"code"}),
    Section("docs", {"README.md": b"read"}),
)
PACKINGS = ("tar", "tar+gzip", "tar+zstd", "raw", "raw+gzip", "raw+zstd")


def exported(artifact: Artifact, directory: Path) -> tuple[set[str], str | None]:
    """Return the paths of an export, and the format that it names."""
    files = export(artifact, directory)
    modelfile = load_modelfile(files.pop("ormbfile.yaml").decode())
    return set(files), modelfile.format


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("path", ["./models/churn.onnx", "models/churn.onnx", "./models", "models/"])
def test_the_kitfile_names_the_model(tmp_path: Path, packing: str, path: str) -> None:
    kitfile = {"model": {"path": path}}
    kit = foreign.kit(kitfile, Section("model", {"models/churn.onnx": ONNX}), DATA, CODE, DOCS, packing=packing)
    files = {"model/churn.onnx", "extra/data/train.csv", "extra/src/train.py", "extra/README.md"}
    assert exported(kit, tmp_path) == (files, "ONNX")


@pytest.mark.parametrize("path", ["./churn.onnx", "."])
def test_files_beside_a_model_at_the_top_stay_with_it_except_data(tmp_path: Path, path: str) -> None:
    kit = foreign.kit({"model": {"path": path}}, Section("model", {"churn.onnx": ONNX}), DATA, CODE, DOCS)
    files = {"model/churn.onnx", "extra/data/train.csv", "model/src/train.py", "model/README.md"}
    assert exported(kit, tmp_path) == (files, "ONNX")


@pytest.mark.parametrize("lora", ["lora/lora.gguf", "base/lora.gguf"])
def test_an_adapter_is_exported_beside_its_base(tmp_path: Path, lora: str) -> None:
    kitfile = {"model": {"path": "./base/base.gguf", "parts": [{"path": f"./{lora}", "type": "lora"}]}}
    kit = foreign.kit(kitfile, Section("model", {"base/base.gguf": GGUF}), Section("modelpart", {lora: GGUF}), CODE)
    assert exported(kit, tmp_path) == ({"model/base.gguf", f"extra/{lora}", "extra/src/train.py"}, "GGUF")


def test_the_parts_of_a_split_model_stay_together(tmp_path: Path) -> None:
    first, second = (f"m/model-0000{number}-of-00002.gguf" for number in (1, 2))
    kit = foreign.kit({"model": {"path": first}}, Section("model", {first: GGUF}), Section("modelpart", {second: GGUF}))
    files, _ = exported(kit, tmp_path)
    assert files == {"model/model-00001-of-00002.gguf", "model/model-00002-of-00002.gguf"}


def test_split_configuration_stays_beside_the_model(tmp_path: Path) -> None:
    parts = Section("modelpart", {"llm/config.json": b"{}", "llm/tokenizer.json": b"{}"})
    weights = Section("model", {"llm/model.safetensors": MODELS["SafeTensors"]})
    kit = foreign.kit({"model": {"path": "llm/model.safetensors"}}, weights, parts, DOCS)
    files = {"model/model.safetensors", "model/config.json", "model/tokenizer.json", "extra/README.md"}
    assert exported(kit, tmp_path) == (files, "SafeTensors")


def test_a_file_that_could_be_mistaken_for_the_model_is_exported_beside_it(tmp_path: Path) -> None:
    """Code and documentation beside the model do not change which file the Kitfile calls the model."""
    other = Section("docs", {"m/example.onnx": ONNX})
    kit = foreign.kit({"model": {"path": "./m/model.ubj"}}, Section("model", {"m/model.ubj": XGBOOST}), other)
    assert exported(kit, tmp_path) == ({"model/model.ubj", "extra/m/example.onnx"}, "XGBoost")


def test_a_directory_with_the_name_of_the_model_is_identified_by_its_files(tmp_path: Path) -> None:
    other = Section("docs", {"example.onnx": ONNX})
    kit = foreign.kit({"model": {"path": "."}}, Section("model", {"model.ubj": XGBOOST}), other)
    assert exported(kit, tmp_path) == ({"model/model.ubj", "extra/example.onnx"}, "XGBoost")


@pytest.mark.parametrize("path", ["../../model", "/model", "weights/../../up", "no/such/path", ""])
def test_a_kitfile_without_matching_names_is_interpreted_by_the_weights(tmp_path: Path, path: str) -> None:
    kit = foreign.kit({"model": {"path": path}}, Section("model", {"w/m.onnx": ONNX}), DOCS)
    assert exported(kit, tmp_path) == ({"model/m.onnx", "extra/README.md"}, "ONNX")


def test_adapters_of_docker_models_are_exported_beside_their_base(tmp_path: Path) -> None:
    prefix = "application/vnd.docker.ai.gguf.v3"
    layers = [Layer(prefix + ending, GGUF) for ending in ("", ".lora", ".mmproj")]
    config = "application/vnd.docker.ai.model.config.v0.1+json"
    files = {"model/model.gguf", "extra/lora.gguf", "extra/mmproj.gguf"}
    assert exported(foreign.artifact(config, {}, *layers), tmp_path / "1") == (files, "GGUF")
    assert exported(foreign.artifact(config, {}, layers[1]), tmp_path / "2") == ({"model/lora.gguf"}, "GGUF")


@pytest.mark.parametrize("packing", ["tar", "raw", "raw+gzip"])
@pytest.mark.parametrize("other", [Section("dataset", {"x": b"data"}), Section("code", {"w/m.onnx/x": b"code"})])
def test_a_file_in_place_of_a_directory_of_another_layer_is_refused(
    tmp_path: Path, packing: str, other: Section
) -> None:
    sections = (Section("model", {"w/m.onnx": ONNX}), Section("code", {"x/y": b"code"}), other)
    with pytest.raises((UnsupportedArtifactError, UnsafePathError)):
        export(foreign.kit({"model": {"path": "w/m.onnx"}}, *sections, packing=packing), tmp_path)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("packing", PACKINGS)
def test_an_interrupted_export_is_repeated(tmp_path: Path, packing: str) -> None:
    """Its remains among the files to be moved still exist when the next export starts."""
    kit = foreign.kit(
        {"model": {"path": "w/m.onnx"}}, Section("model", {"w/m.onnx": ONNX}), DATA, CODE, packing=packing
    )
    assert export(kit, tmp_path) == export(kit, tmp_path)


def test_a_model_of_an_unknown_format_is_exported_completely(tmp_path: Path) -> None:
    kit = foreign.kit({"model": {"path": "./m/model.xyz"}}, Section("model", {"m/model.xyz": b"?"}), CODE)
    assert exported(kit, tmp_path) == ({"model/model.xyz", "extra/src/train.py"}, None)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("top", ["", "model/", "dir/", "a/b/"])
def test_weights_in_a_subdirectory_are_the_model(tmp_path: Path, packing: str, top: str) -> None:
    """Modctl names the files but not the model."""
    sections = (
        Section("weight", {f"{top}m.onnx": ONNX}),
        Section("weight.config", {f"{top}config.json": b"{}"}),
        Section("code", {"train.py": b"code"}),
    )
    code = "extra/train.py" if top else "model/train.py"
    artifact = foreign.modctl(*sections, packing=packing)
    assert exported(artifact, tmp_path) == ({"model/m.onnx", "model/config.json", code}, "ONNX")


def test_a_declared_format_that_the_files_do_not_have_is_ignored_in_finding_the_model(tmp_path: Path) -> None:
    artifact = foreign.modctl(Section("weight", {"dir/m.onnx": ONNX}), format="GGUF")
    files, _ = exported(artifact, tmp_path)
    assert files == {"model/m.onnx"}


def test_kits_model_pack_has_its_kitfile_in_an_annotation(tmp_path: Path) -> None:
    kitfile = json.dumps({"model": {"path": "./w/a.onnx", "framework": "onnx"}, "package": {"authors": ["Ada"]}})
    made = foreign.modctl(Section("weight", {"w/a.onnx": ONNX}), Section("weight.config", {"w/b.onnx": ONNX}))
    document = json.loads(made.manifest) | {"annotations": {"ml.kitops.modelkit.kitfile": kitfile}}
    files = export(Artifact(json.dumps(document).encode(), made.blobs), tmp_path)
    modelfile = load_modelfile(files.pop("ormbfile.yaml").decode())
    assert (set(files), modelfile.format) == ({"model/a.onnx", "extra/w/b.onnx"}, "ONNX")
    assert (modelfile.framework, modelfile.author) == ("onnx", "Ada")


def test_the_framework_and_format_of_a_kitfile_are_kept(tmp_path: Path) -> None:
    kitfile = {"model": {"path": "m.onnx", "framework": "pytorch", "format": "onnx"}}
    modelfile = load_modelfile(
        export(foreign.kit(kitfile, Section("model", {"m.onnx": ONNX})), tmp_path)["ormbfile.yaml"].decode()
    )
    assert (modelfile.framework, modelfile.format) == ("pytorch", "ONNX")


def test_a_kit_with_the_model_of_another_kit_is_refused_with_its_name(tmp_path: Path) -> None:
    kit = foreign.kit({"model": {"path": "ghcr.io/org/base:v1"}}, Section("docs", {"README.md": b"read"}))
    with pytest.raises(UnsupportedArtifactError, match=r"ghcr\.io/org/base:v1"):
        export(kit, tmp_path)


def test_the_file_names_of_modctl_are_used_wherever_layers_are_listed() -> None:
    manifest = parse_manifest(foreign.modctl(Section("weight", {"dir/m.onnx": ONNX})).manifest)
    assert manifest is not None
    assert [layer.path for layer in manifest.layers] == ["dir/m.onnx"]


def test_models_of_modctl_are_compared_by_their_file_names() -> None:
    left, right, same = (
        parse_manifest(foreign.modctl(Section("weight", {"dir/m.onnx": content})).manifest)
        for content in (b"1", b"2", b"1")
    )
    assert left is not None
    assert right is not None
    assert same is not None
    assert [(change.kind, change.name) for change in compare(left, right)] == [("file", "dir/m.onnx")]
    assert compare(left, same) == []


def put(destination: Path, *names: str, digest: str) -> None:
    with staged(destination, digest) as stage:
        for name in names:
            (stage / name).mkdir()
            (stage / name / "file").write_text(digest)


def test_an_export_replaces_only_files_of_earlier_exports(tmp_path: Path) -> None:
    first, second, third = (sha256(text) for text in (b"1", b"2", b"3"))
    put(tmp_path, "model", "extra", digest=first)
    put(tmp_path, "model", digest=second)
    assert is_exported(tmp_path, second)
    assert not (tmp_path / "extra").exists()
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "mine").write_text("mine")
    with pytest.raises(DestinationError, match="extra exists already"):
        put(tmp_path, "model", "extra", digest=third)
    assert (tmp_path / "extra" / "mine").read_text() == "mine"
    assert is_exported(tmp_path, second)
