"""Weights that PyTorch stores outside a state's plain tensors, in files of the real PyTorch."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support.model_files import DATA, write


@pytest.mark.parametrize(
    ("file", "name", "by_dtype"),
    [
        pytest.param("torchscript/frozen.pt", "TorchScript", {"float32": 48}, id="constants"),
        pytest.param("torchscript/quantized.pt", "TorchScript", {"float32": 12, "int8": 12}, id="packed"),
        pytest.param("pickle/legacy_module.pth", "Pickle", {"float32": 48}, id="legacy-module"),
        pytest.param("pickle/parts.pt", "Pickle", {"float32": 40 + 12, "int64": 48}, id="parts-and-sparse"),
    ],
)
def test_all_weights_are_counted_once(tmp_path: Path, file: str, name: str, by_dtype: dict[str, int]) -> None:
    write(tmp_path, "model.pt", (DATA / file).read_bytes())
    assert detect_format(tmp_path) == name
    signature = extract_signature(name, tmp_path)
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == by_dtype


def test_the_class_of_a_legacy_module_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "model.pth", (DATA / "pickle" / "legacy_module.pth").read_bytes())
    signature = extract_signature("Pickle", tmp_path)
    assert (signature.details["class"], signature.operators, signature.framework) == (
        "__main__.Net",
        {"Net": 1},
        "PyTorch",
    )


def test_a_legacy_file_without_its_object_is_refused(tmp_path: Path) -> None:
    content = (DATA / "pickle" / "legacy_module.pth").read_bytes()
    write(tmp_path, "model.pth", content[: content.index(b"__main__")])
    with pytest.raises(InvalidModelError, match="the object in it cannot be read"):
        extract_signature("Pickle", tmp_path)


def test_a_size_made_of_others_is_any_size(tmp_path: Path) -> None:
    write(tmp_path, "model.pt2", (DATA / "exportedprogram" / "derived.pt2").read_bytes())
    signature = extract_signature("ExportedProgram", tmp_path)
    assert [t.shape for t in signature.inputs] == [("s77", 4), ("s17", 4)]
    assert [t.shape for t in signature.outputs] == [(-1, 4), (-1,)]


def tensor(kind: str, key: str, *shape: int, size: int, dtype: str | None = None, rebuild: str | None = None) -> bytes:
    """A tensor in pickle opcodes: its storage's class, key and size, and the type if that is an argument."""
    name = rebuild or ("_rebuild_tensor_v3" if dtype else "_rebuild_tensor_v2")
    storage = b"(X\x07\x00\x00\x00storage" + f"ctorch\n{kind}\n".encode()
    storage += b"X\x01\x00\x00\x00" + key.encode() + b"X\x03\x00\x00\x00cpuK" + bytes([size]) + b"tQ"
    sizes = b"(" + b"".join(b"K" + bytes([dim]) for dim in shape) + b"t"
    rest = b"K\x00" + sizes + sizes + b"\x89)"  # offset, shape, strides, requires_grad, hooks
    return (
        f"ctorch._utils\n{name}\n(".encode()
        + storage
        + rest
        + (f"ctorch\n{dtype}\n".encode() if dtype else b"")
        + b"tR"
    )


def saved(directory: Path, *tensors: bytes, **members: bytes) -> Signature:
    """The signature of a torch.save archive with a list of tensors."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02(" + b"".join(tensors) + b"l.")
        for name, content in members.items():
            archive.writestr(f"m/{name.replace('_', '/')}", content)
    return extract_signature("Pickle", write(directory, "model.pt", made.getvalue()))


def sizes(signature: Signature) -> tuple[int, dict[str, int]]:
    assert signature.parameters is not None
    return signature.parameters.count, signature.parameters.bytes_by_dtype


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float8_e4m3fn", 6), ("float8_e8m0fnu", 6), ("uint16", 12), ("uint64", 48), ("complex32", 24)],
)
def test_a_tensor_whose_storage_has_no_type_has_the_type_of_its_argument(tmp_path: Path, dtype: str, size: int) -> None:
    signature = saved(tmp_path, tensor("UntypedStorage", "0", 2, 3, size=size, dtype=dtype))
    assert sizes(signature) == (6, {dtype: size})
    assert "parameters" not in signature.unknown


def test_a_tensor_of_an_unknown_type_has_the_bytes_of_its_storage(tmp_path: Path) -> None:
    untyped = tensor("UntypedStorage", "0", 6, size=5, dtype="float3_new")
    typed = tensor("NewerStorage", "1", 4, size=4)
    signature = saved(tmp_path, untyped, typed, data_1=bytes(7))
    assert sizes(signature) == (10, {"unknown type Newer": 7, "unknown type float3_new": 5})
    assert "unknown type Newer, unknown type float3_new: newer than" in signature.unknown["parameters"]
    assert "does not contain their sizes" not in signature.unknown["parameters"]


def test_a_tensor_of_an_unknown_type_without_its_storage_is_counted_with_the_reason(tmp_path: Path) -> None:
    signature = saved(tmp_path, tensor("NewerStorage", "1", 4, size=4))
    assert sizes(signature) == (4, {})
    assert "does not contain their sizes" in signature.unknown["parameters"]


@pytest.mark.parametrize(
    ("kind", "by_dtype"),
    [
        ("QUInt4x2Storage", {"uint4": 4}),
        ("UInt32Storage", {"uint32": 32}),
        ("ComplexHalfStorage", {"complex32": 32}),
        ("Float8_e5m2Storage", {"float8_e5m2": 8}),
    ],
)
def test_storages_of_every_type_are_known(tmp_path: Path, kind: str, by_dtype: dict[str, int]) -> None:
    assert sizes(saved(tmp_path, tensor(kind, "0", 8, size=8))) == (8, by_dtype)


def test_a_tensor_of_a_custom_class_is_counted(tmp_path: Path) -> None:
    plain = tensor("FloatStorage", "0", 3, size=3)
    arguments = plain.removeprefix(b"ctorch._utils\n_rebuild_tensor_v2\n").removesuffix(b"R")
    outer = b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\ncmine\nTensor\n"
    assert sizes(saved(tmp_path, outer + arguments + b"}tR")) == (3, {"float32": 12})


@pytest.mark.parametrize(("written", "shown"), [(b"little", "little-endian"), (b"big", "big-endian")])
def test_the_byte_order_of_an_archive_is_shown(tmp_path: Path, written: bytes, shown: str) -> None:
    signature = saved(tmp_path, tensor("FloatStorage", "0", 3, size=3), byteorder=written)
    assert signature.details["byte_order"] == shown


def test_an_archive_without_a_byte_order_shows_none(tmp_path: Path) -> None:
    assert saved(tmp_path, tensor("FloatStorage", "0", 3, size=3)).details["byte_order"] is None


def test_a_byte_order_that_pytorch_does_not_load_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="byteorder is 'middle', neither little nor big"):
        saved(tmp_path, tensor("FloatStorage", "0", 3, size=3), byteorder=b"middle")


@pytest.mark.parametrize(
    ("file", "name"), [("torchscript/frozen.pt", "TorchScript"), ("exportedprogram/net.pt2", "ExportedProgram")]
)
def test_the_byte_order_of_real_archives_is_shown(tmp_path: Path, file: str, name: str) -> None:
    write(tmp_path, Path(file).name, (DATA / file).read_bytes())
    assert extract_signature(name, tmp_path).details["byte_order"] == "little-endian"


def exported(directory: Path, dtype: int, *, weight: str = "p_fc_bias") -> Signature:
    """The real exported program, with another type of the input and of a weight."""
    made = io.BytesIO()
    with zipfile.ZipFile(DATA / "exportedprogram" / "net.pt2") as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("models/model.json"):
                program = json.loads(content)
                values = program["graph_module"]["graph"]["tensor_values"]
                values[weight]["dtype"] = values["x"]["dtype"] = dtype
                content = json.dumps(program).encode()
            target.writestr(name, content)
    return extract_signature("ExportedProgram", write(directory, "net.pt2", made.getvalue()))


def test_an_exported_program_shows_unknown_types_with_their_bytes(tmp_path: Path) -> None:
    signature = exported(tmp_path, 99)
    assert sizes(signature)[1]["unknown type 99"] == 12
    assert signature.unknown["parameters"] == "there are weights of unknown type 99: newer than this version of Klever"
    assert signature.unknown["x"] == "its elements are of unknown type 99: newer than this version of Klever"


@pytest.mark.parametrize(
    ("number", "dtype"), [(9, "complex32"), (33, "float8_e8m0fnu"), (34, "uint32"), (35, "uint64")]
)
def test_an_exported_program_has_every_type_of_the_schema(tmp_path: Path, number: int, dtype: str) -> None:
    signature = exported(tmp_path, number)
    assert signature.inputs[0].dtype == dtype
    assert dtype in sizes(signature)[1]
    assert not signature.unknown.keys() & {"x", "parameters"}
