"""Pickles are scanned and loaded by one parser, and call only listed or trusted names."""

import functools
import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.validation import check_array

from modelfiles.unpickling.allowlist import Allowlist, Use, parse_trust
from modelfiles.unpickling.errors import RefusedPickleError
from modelfiles.unpickling.loading import Loader, load, refusal
from modelfiles.unpickling.reading import Report, examine_whole
from modelfiles.unpickling.streams import StrictStream

NOTHING = Allowlist()
LONG = b"V" + b"a" * (2 * 1024 * 1024) + b"\n."
TRUSTED = Allowlist(frozenset({("support.trusted_classes", "Doubling")}))


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("false",)


class Attributes:
    """Pickles as a call of any name."""

    def __init__(self, *reduced: Any) -> None:
        self._reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced


BOMB = pickle.dumps(Bomb())


def examined(content: bytes, allowed: Allowlist = NOTHING) -> Report:
    """Return the findings in a file with this content."""
    return examine_whole(io.BytesIO(content), allowed)


def named(module: bytes, name: bytes) -> bytes:
    """A global of protocol 4, on the stack."""
    return b"".join(b"\x8c" + bytes([len(text)]) + text for text in (module, name)) + b"\x93"


def joblib_array(dtype: bytes, shape: bytes, more: bytes = b"") -> bytes:
    """A joblib file with one array, described by hand."""
    state = b"}(\x8c\x05dtype" + dtype + b"\x8c\x05shape" + shape + b"\x8c\x05order\x8c\x01Cu"
    return b"\x80\x04" + named(b"joblib.numpy_pickle", b"NumpyArrayWrapper") + b")\x81" + state + b"b" + more + b"."


def dtype_of(kind: bytes, state: bytes = b"") -> bytes:
    """Opcodes that create a dtype."""
    return named(b"numpy", b"dtype") + b"\x8c" + bytes([len(kind)]) + kind + b"\x89\x88\x87R" + state


def dtype_state(*values: Any) -> bytes:
    """Opcodes that set a dtype's state to plain values."""
    return pickle.dumps(values, protocol=2)[2:-1] + b"b"


POINTERS = dtype_of(b"i8", dtype_state(3, "<", None, None, None, -1, -1, 63))
WIDE = dtype_of(b"U1", dtype_state(3, "<", None, None, None, 400, 4, 8))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(BOMB, "would run", id="command"),
        pytest.param(pickle.dumps(Bomb(), protocol=0), "would run", id="command-of-protocol-0"),
        pytest.param(LONG + BOMB, "bytes after", id="long-line-and-second-pickle"),
        pytest.param(pickle.dumps(1) + b"junk", "bytes after", id="bytes-behind"),
        pytest.param(b"\x80\x04" + named(b"sklearn._config", b"os.system") + b".", "would run", id="dotted-name"),
        pytest.param(b"csklearn._config\nos.system\n.", "would run", id="dotted-name-of-protocol-0"),
        pytest.param(b"csklearn.datasets\nfetch_file\n.", "not trusted", id="function-that-fetches"),
        pytest.param(b"(S'x'\nios\nsystem\n.", "would run", id="INST"),
        pytest.param(b"(cos\nsystem\nS'x'\no.", "would run", id="OBJ"),
        pytest.param(b"\x80\x02c__builtin__\neval\n.", "would run", id="name-of-Python-2"),
        pytest.param(b"\x80\x02\x82\x01.", "extension codes", id="EXT1"),
        pytest.param(b"cbuiltins\nlist\n}S'a'\nK\x01sb.", "of a class or function", id="BUILD-on-a-class"),
        pytest.param(b"cfunctools\npartial\n(cnumpy\nlog1p\ntR)R.", "calls an object", id="REDUCE-of-an-object"),
        pytest.param(b"cnumpy\nlog1p\n(K\x01tR.", "pickles do not call", id="REDUCE-of-a-value"),
        pytest.param(b"cbuiltins\nobject\n)\x81}S'__class__'\ncbuiltins\nlist\nsb.", "special", id="dunder-attribute"),
        pytest.param(b"c_codecs\nencode\n(S'a'\nS'zip'\ntR.", "encodes text", id="codec"),
        pytest.param(pickle.dumps(stats.norm(0, 1)), "not trusted", id="distribution-that-runs-its-state"),
        pytest.param(pickle.dumps(CountVectorizer(input="filename")), "reads any file", id="vectorizer-of-files"),
        pytest.param(pickle.dumps(functools.partial(os.system, "x")), "would run", id="partial-of-a-command"),
        pytest.param(pickle.dumps(Attributes(np.load, ("x",))), "not trusted", id="loader-of-numpy"),
        pytest.param(pickle.dumps(Attributes(joblib.load, ("x",))), "would run", id="loader-of-joblib"),
        pytest.param(b"\x80\x04" + POINTERS + b".", "flags", id="numbers-as-pointers"),
        pytest.param(b"\x80\x04" + WIDE + b".", "size", id="U-of-another-size"),
        pytest.param(b"\x80\x04" + dtype_of(b"V8,O") + b".", "which is not valid", id="dtype-with-a-comma"),
        pytest.param(joblib_array(dtype_of(b"f8"), b"J\xff\xff\xff\xff\x85"), "negative size", id="negative-array"),
        pytest.param(joblib_array(b"\x8c\x02f8", b"K\x01\x85"), "no dtype", id="array-without-a-dtype"),
        pytest.param(joblib_array(dtype_of(b"f8"), b"J\xff\xff\xff\x7f\x85"), "early", id="array-beyond-the-end"),
        pytest.param(joblib_array(dtype_of(b"O8"), b"K\x01\x85", BOMB), "would run", id="objects-of-an-array"),
        pytest.param(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60), "early", id="blob-beyond-the-end"),
        pytest.param(b"", "early", id="empty"),
    ],
)  # fmt: skip
def test_a_pickle_refused_by_the_scan_is_refused_by_the_loader(tmp_path: Path, content: bytes, why: str) -> None:
    assert why in str(refusal(examined(content)))
    file = tmp_path / "model.pkl"
    file.write_bytes(content)
    with pytest.raises(RefusedPickleError, match=why):
        load(file, NOTHING)


@pytest.mark.parametrize("size", [b"U3", b"S5", b"M8", b"b1", b"c16", b"V3"])
def test_the_size_of_an_array_is_that_of_numpy(size: bytes) -> None:
    count = np.dtype(size.decode()).itemsize * 2
    assert refusal(examined(joblib_array(dtype_of(size), b"K\x02\x85", bytes(count)))) is None
    for wrong in (count - 1, count + 1):
        assert refusal(examined(joblib_array(dtype_of(size), b"K\x02\x85", bytes(wrong) + b"N."))) is not None


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)], ids=str)
def test_arrays_survive_a_round_trip(tmp_path: Path, compress: Any) -> None:
    table = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i4"), ("b", "<f8")])
    arrays: list[np.ndarray[Any, Any]] = [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        np.array(["a", "bc"]),
        np.array(["a", None, 3], dtype=object),
        np.zeros((0, 3)),
        table,
        np.array("2026-01-01", dtype="M8[D]"),
        np.arange(100_000),
    ]
    joblib.dump(arrays, tmp_path / "arrays.joblib", compress=compress)
    for made, expected in zip(load(tmp_path / "arrays.joblib", NOTHING), arrays, strict=True):
        np.testing.assert_array_equal(made, expected)
        assert made.dtype == expected.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", range(6))
def test_a_trusted_class_is_loaded(tmp_path: Path, protocol: int) -> None:
    from support.trusted_classes import Doubling  # noqa: PLC0415 - the loader is to import it, too

    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Doubling(3), protocol=protocol))
    with pytest.raises(RefusedPickleError, match=r"--trust support\.trusted_classes:Doubling"):
        load(file, NOTHING)
    assert load(file, TRUSTED).by == 3


@pytest.mark.parametrize(
    "text", ["os:system", "__main__:MyModel", "my.module", "my.module:A.b", "a b:c", "joblib:load", "builtins:eval", ""]
)
def test_a_callable_that_runs_code_cannot_be_trusted(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be trusted|not the name of a class|defined in a script"):
        parse_trust(text)
    assert Allowlist(frozenset({("os", "system")})).use(("os", "system")) is Use.DANGEROUS


def test_a_trusted_class_that_is_not_installed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"cno_such_module\nName\n.")
    with pytest.raises(RefusedPickleError, match=r"no_such_module\.Name, which is trusted but not installed here"):
        load(file, Allowlist(frozenset({("no_such_module", "Name")})))


def test_a_partial_of_a_listed_function_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(functools.partial(check_array, dtype="numeric")))
    assert load(file, NOTHING).func is check_array


def test_the_loader_itself_imports_only_listed_modules() -> None:
    with pytest.raises(RefusedPickleError, match=r"os\.system|posix\.system"):
        Loader(StrictStream(io.BytesIO(BOMB)), NOTHING).load()


def test_an_array_inside_a_frame_is_refused() -> None:
    content = joblib_array(dtype_of(b"i1"), b"K\x01\x85", b"\x01")
    framed = content[:2] + b"\x95" + struct.pack("<Q", len(content) - 2) + content[2:]
    assert "inside a frame" in str(refusal(examined(framed)))


@pytest.mark.parametrize("trailing", [b"x", b"\x00"])
@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz"])
def test_bytes_after_a_compressed_pickle_are_refused(method: str, trailing: bytes) -> None:
    file = io.BytesIO()
    joblib.dump([1], file, compress=(method, 3))
    assert refusal(examined(file.getvalue())) is None
    assert "bytes after" in str(refusal(examined(file.getvalue() + trailing)))
    assert "truncated" in str(refusal(examined(file.getvalue()[:-5])))
