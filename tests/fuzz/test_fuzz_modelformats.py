"""Mutations of real files against every parser: a signature or a clear error, quickly, in bounded memory.

KLEVER_FUZZ_EXAMPLES sets the number of cases for each format.
"""

import os
import pickle
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files

EXAMPLES = int(os.environ.get("KLEVER_FUZZ_EXAMPLES", "100"))
SECONDS_EACH = 2.0
GROWTH_MB = 200
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="KLEVER_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)
SEEDS: dict[str, list[tuple[str, bytes]]] = {
    name: [seed] for name, seed in sorted(model_files.of_each_format().items())
}
SEEDS["SKLearn"] += [("model.pkl", pickle.dumps(model_files.classifier(), protocol)) for protocol in (2, 4)]

Mutation = Callable[[bytes], bytes]


def flip(content: bytes, at: int, value: int) -> bytes:
    return content[:at] + bytes([value]) + content[at + 1 :]


def cut(content: bytes, at: int, length: int) -> bytes:
    return content[:at] + content[at + length :]


def repeat(content: bytes, at: int, length: int) -> bytes:
    return content[: at + length] + content[at : at + length] * 3 + content[at + length :]


def insert(content: bytes, at: int, more: bytes) -> bytes:
    return content[:at] + more + content[at:]


def mutations(size: int) -> st.SearchStrategy[Mutation]:
    """One change somewhere in a file of so many bytes."""
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
    """A real file of the format with a few changes."""
    file, content = draw(st.sampled_from(SEEDS[name]))
    for mutate in draw(st.lists(mutations(len(content)), min_size=1, max_size=6)):
        content = mutate(content)
    return file, content


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SEEDS)
def test_a_changed_file_is_parsed_or_refused_quickly(tmp_path: Path, name: str) -> None:
    outcomes = {"parsed": 0, "refused": 0}

    @FUZZED
    @given(hostile_files(name))
    def parse(changed: tuple[str, bytes]) -> None:
        file, content = changed
        (tmp_path / file).write_bytes(content)
        began = time.monotonic()
        detect_format(tmp_path)
        try:
            found = extract_signature(name, tmp_path)
        except InvalidModelError:
            outcomes["refused"] += 1
        else:
            outcomes["parsed"] += 1
            assert Signature.model_validate_json(found.model_dump_json()) == found
        assert time.monotonic() - began < SECONDS_EACH

    before = peak_mb()
    parse()
    assert peak_mb() - before < GROWTH_MB
    assert outcomes["refused"] > 0, outcomes
