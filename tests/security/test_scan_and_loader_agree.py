"""For any bytes: a clean pickle calls nothing unlisted when it is loaded, and the loader refuses a refused one."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelfiles.unpickling.allowlist import Allowlist

TESTS = Path(__file__).parents[1]
NAMES = (
    ("builtins", "list"),
    ("collections", "OrderedDict"),
    ("functools", "partial"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy", "log1p"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("copyreg", "_reconstructor"),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("os", "system"),
    ("builtins", "eval"),
    ("__builtin__", "eval"),
    ("__builtin__", "set"),
    ("numpy", "os.system"),
    ("my.module", "Name"),
)
VALUES = (
    b"N",
    b"K\x01",
    b"J\xff\xff\xff\xff",
    b"\x8c\x02f8",
    b"\x8c\x01C",
    b"\x8c\x05false",
    b"}",
    b"]",
    b")",
    b"\x88",
)
OPCODES = (
    *(bytes([code]) for code in b"(012Rbotaesudl.Q"),
    *(bytes([code]) for code in b"\x81\x92\x85\x86\x87\x93\x90\x91\x94"),
    *(b"h\x00", b"h\x01", b"\x80\x02", b"\x80\x04", b"\x82\x01"),
)


def globals_of(pair: tuple[str, str]) -> list[bytes]:
    """The ways to name a class or function."""
    module, name = (each.encode() for each in pair)
    texts = b"".join(b"\x8c" + bytes([len(each)]) + each for each in (module, name))
    return [b"c" + module + b"\n" + name + b"\n", texts + b"\x93", b"(i" + module + b"\n" + name + b"\n"]


NAMED = [way for pair in NAMES for way in globals_of(pair)]
CALL = st.tuples(st.sampled_from(NAMED), st.lists(st.sampled_from([*VALUES, *NAMED]), max_size=4)).map(
    lambda call: call[0] + b"(" + b"".join(call[1]) + b"t"
)
CALLED = st.tuples(CALL, st.sampled_from([b"R", b"\x81", b"R}b", b"\x81}b", b"R]b"])).map(b"".join)
PARTS = st.one_of(st.sampled_from(NAMED), st.sampled_from(VALUES), st.sampled_from(OPCODES), CALLED)
PICKLES = st.builds(
    lambda start, parts, end: start + b"".join(parts) + end,
    st.sampled_from([b"", b"\x80\x02", b"\x80\x04", b"\x80\x05"]),
    st.lists(PARTS, max_size=8),
    st.sampled_from([b".", b".", b".", b"", b".x"]),
)


@pytest.fixture(scope="module")
def child() -> Iterator["Child"]:
    """A process that loads pickles and may be damaged."""
    command = [sys.executable, "-m", "support.unpickling_child"]
    with subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Child(process)
        process.kill()


class Child:
    """The process, and its protocol."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def load(self, content: bytes) -> dict[str, Any]:
        """Return the results of the scan and of the loader."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(base64.b64encode(content).decode() + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def is_listed(name: str) -> bool:
    """Return whether `module:name` is listed."""
    module, _, attribute = name.partition(":")
    return Allowlist().admits((module, attribute))


def unlisted(answer: dict[str, Any]) -> list[str]:
    """Return the unlisted names that were named or run. A name is reported before it is refused."""
    return [event for event in answer["events"] if not is_listed(event)]


@settings(max_examples=1500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(content=PICKLES)
def test_scan_and_loader_agree(child: Child, content: bytes) -> None:
    answer = child.load(content)
    unknown = unlisted(answer)
    if answer["refused"] is None:
        assert unknown == []
    elif "after its end" not in answer["refused"]:
        assert answer["raised"] is not None
    assert len(unknown) <= 1, "the loader ends at the first name that is not listed"


def test_the_child_reports_executed_code(child: Child) -> None:
    assert child.load(b"cos\nsystem\n(S'false'\ntR.") == {
        "refused": "it would run os.system, which no model needs",
        "raised": "RefusedPickleError",
        "events": ["os:system"],
    }
    assert child.load(b"ccollections\nOrderedDict\n)R.") == {
        "refused": None,
        "raised": None,
        "events": ["collections:OrderedDict"],
    }
