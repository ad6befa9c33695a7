"""Mutations of real files against every parser: a signature or a clear error, quickly, in bounded memory.

KLEVER_FUZZ_EXAMPLES sets the number of cases for each format.
"""

import bz2
import gzip
import io
import os
import pickle
import pickletools
import resource
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files, onnx_models

EXAMPLES = int(os.environ.get("KLEVER_FUZZ_EXAMPLES", "200"))
SECONDS_EACH = 2.0
GROWTH_MB = 100
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="KLEVER_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def dumped() -> bytes:
    """A joblib file."""
    file = io.BytesIO()
    joblib.dump(model_files.classifier(), file)
    return file.getvalue()


SEEDS: dict[str, list[tuple[str, bytes]]] = {
    name: [seed] for name, seed in sorted(model_files.of_each_format().items())
}
for several in SEEDS:
    SEEDS[several] += model_files.companions(several).items()
SEEDS["ONNX"] += [("model.onnx", make().SerializeToString()) for make in (onnx_models.loop, onnx_models.identity)]
SEEDS["SKLearn"] += [("model.pkl", pickle.dumps(model_files.classifier(), protocol)) for protocol in (0, 2, 5)]
SEEDS["SKLearn"] += [("model.joblib", dumped())]
SEEDS["H5"] += [("model.h5", path.read_bytes()) for path in sorted((model_files.DATA / "h5").glob("*.h5"))]
SEEDS["MXNetParams"] += [("model-0001.params", (model_files.DATA / "mxnet" / "sparse.params").read_bytes())]
for known, file in (
    ("TorchScript", "traced.pt"),
    ("Pickle", "legacy.pth"),
    ("Pickle", "module.pt"),
    ("TorchScript", "frozen.pt"),
    ("TorchScript", "quantized.pt"),
    ("ExportedProgram", "derived.pt2"),
    ("Pickle", "legacy_module.pth"),
    ("Pickle", "parts.pt"),
    ("XGBoost", "iris.json"),
    ("XGBoost", "legacy.bst"),
    ("CatBoost", "iris.json"),
):
    SEEDS[known] += [(file, (model_files.DATA / known.lower() / file).read_bytes())]
SEEDS["CoreML"] += [("model.mlmodel", (model_files.DATA / "coreml" / "iris.mlmodel").read_bytes())]
SEEDS["PaddlePaddle"] += [("iris.pdmodel", (model_files.DATA / "paddlepaddle" / "pir.json").read_bytes())]

Mutation = Callable[[bytes], bytes]
PACKINGS: tuple[Mutation, ...] = (zlib.compress, gzip.compress, bz2.compress)


def flip(content: bytes, at: int, value: int) -> bytes:
    return content[:at] + bytes([value]) + content[at + 1 :]


def cut(content: bytes, at: int, length: int) -> bytes:
    return content[:at] + content[at + length :]


def repeat(content: bytes, at: int, length: int) -> bytes:
    return content[: at + length] + content[at : at + length] * 3 + content[at + length :]


def insert(content: bytes, at: int, more: bytes) -> bytes:
    return content[:at] + more + content[at:]


def mutations(size: int) -> st.SearchStrategy[Mutation]:
    """A change somewhere in a file of this many bytes."""
    at, length = st.integers(0, max(0, size - 1)), st.integers(1, 64)
    hostile = st.sampled_from(
        [b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00" * 16, b"\x80\x80\x80\x80\x08", b"(" * 99]
    )
    return st.one_of(
        st.builds(lambda a, v: lambda c: flip(c, a, v), at, st.integers(0, 255)),
        st.builds(lambda a, n: lambda c: cut(c, a, n), at, length),
        st.builds(lambda a, n: lambda c: repeat(c, a, n), at, length),
        st.builds(lambda a, m: lambda c: insert(c, a, m), at, hostile | st.binary(max_size=32)),
        st.builds(lambda a: lambda c: c[:a], at),
    )


@st.composite
def hostile_files(draw: st.DrawFn, name: str) -> tuple[str, bytes]:
    """A real file of the format with one change or a few; most files do not survive many."""
    file, content = draw(st.sampled_from(SEEDS[name]))
    most = draw(st.sampled_from((1, 1, 6)))
    for mutate in draw(st.lists(mutations(len(content)), min_size=1, max_size=most)):
        content = mutate(content)
    return file, content


@st.composite
def packed_pickles(draw: st.DrawFn) -> tuple[str, bytes]:
    """A changed scikit-learn file, intact as a compressed file."""
    file, content = draw(hostile_files("SKLearn"))
    pack: Mutation = draw(st.sampled_from(PACKINGS))
    return file, pack(content)


def opcode_soups() -> st.SearchStrategy[tuple[str, bytes]]:
    """Opcodes of pickle in any order, some with valid arguments."""
    classes = st.sampled_from([b"csklearn.pipeline\nPipeline\n", b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"])
    opcode = st.sampled_from([code.code.encode("latin1") for code in pickletools.opcodes])
    part = opcode | classes | st.sampled_from([b"]", b"}", b")", b"(", b"K\x02", b"\x8c\x05steps", b"\x85R", b"}b"])
    return st.lists(part | st.binary(max_size=9), max_size=80).map(
        lambda parts: ("model.pkl", b"\x80\x04" + b"".join(parts) + b".")
    )


CASES = {name: hostile_files(name) for name in SEEDS} | {"SKLearn": hostile_files("SKLearn") | packed_pickles()}


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def parses_or_refuses(directory: Path, name: str, changed: tuple[str, bytes]) -> bool:
    """Return whether it parsed. Fails if it took long, or raised anything but InvalidModelError."""
    for old in directory.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    if model_files.companions(name):
        model_files.write_model(directory, name)
    model_files.write(directory, *changed)
    began = time.monotonic()
    detect_format(directory)
    try:
        signature = extract_signature(name, directory)
    except InvalidModelError:
        return False
    finally:
        assert time.monotonic() - began < SECONDS_EACH
    assert Signature.model_validate_json(signature.model_dump_json()) == signature
    return True


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SEEDS)
def test_a_mutated_file_is_parsed_or_refused_quickly(tmp_path: Path, name: str) -> None:
    outcomes = Counter[bool]()

    @FUZZED
    @given(CASES[name])
    def parse(changed: tuple[str, bytes]) -> None:
        outcomes[parses_or_refuses(tmp_path, name, changed)] += 1

    before = peak_mb()
    parse()
    assert peak_mb() - before < GROWTH_MB
    assert min(outcomes[True], outcomes[False]) > EXAMPLES // 100, outcomes


@pytest.mark.timeout(900)
def test_opcodes_in_any_order_are_read_or_refused_quickly(tmp_path: Path) -> None:
    before = peak_mb()

    @FUZZED
    @given(opcode_soups())
    def parse(soup: tuple[str, bytes]) -> None:
        parses_or_refuses(tmp_path, "SKLearn", soup)

    parse()
    assert peak_mb() - before < GROWTH_MB
