"""No code of a pickle runs: calls are only recorded."""

import builtins
import os
import pickle
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelfiles.inert_pickle import read_pickle
from modelformats import InvalidModelError, extract_signature
from support.model_files import write

ATTACKS = ("system", "eval", "exec", "popen", "nested", "imported", "in-a-list", "in-an-estimator", "in-labels")
RUN_BY_PICKLE = ("system", "eval", "exec", "nested", "imported", "in-a-list", "in-an-estimator", "in-labels")
"""Opcodes that have taken effect when `pickle` returns."""
OPCODES = {
    "protocol-0-reduce": b"cos\nmkdir\n(S'%s'\ntR.",
    "protocol-0-inst": b"(S'%s'\nios\nmkdir\n.",
    "protocol-1-obj": b"(cos\nmkdir\nS'%s'\no.",
    "stack-global": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93S'%s'\n\x85R.",
    "dotted-name": b"\x80\x04\x8c\x02os\x8c\x0fsupports_fd.add\x93S'%s'\n\x85R.",
    "newobj": b"\x80\x02cpathlib\nPath\nS'%s'\n\x85\x81.",
    "newobj-ex": b"\x80\x04cpathlib\nPath\nS'%s'\n\x85}\x92.",
    "build-of-a-class": b"\x80\x02cos\nmkdir\nS'%s'\nb.",
    "persistent-id": b"S'%s'\nQ.",
}
RUN_BY_PICKLE_TOO = ("protocol-0-reduce", "protocol-0-inst", "protocol-1-obj", "stack-global")


class Runs:
    """Calls something when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.function, self.arguments

    def __call__(self) -> None:
        """Make the object callable, since only callables can be pickled as a function."""


def attack_named(name: str, mark: Path) -> object:
    """An object whose unpickling creates the mark."""
    make = Runs(os.mkdir, str(mark))
    model, labels = LogisticRegression(), np.empty(1, object)
    vars(model).update(classes_=make)
    labels[0] = make
    return {
        "system": Runs(os.system, f"touch {mark}"),
        "eval": Runs(builtins.eval, f"open({str(mark)!r}, 'w').close()"),
        "exec": Runs(builtins.exec, f"open({str(mark)!r}, 'w').close()"),
        "popen": Runs(subprocess.Popen, ["touch", str(mark)]),
        "nested": Runs(list, Runs(map, os.mkdir, [str(mark)])),
        "imported": Runs(Runs(getattr, Runs(__import__, "os"), "mkdir"), str(mark)),
        "in-a-list": [{"a": (make,)}],
        "in-an-estimator": model,
        "in-labels": labels,
    }[name]


def read(directory: Path, content: bytes) -> None:
    """Parse a file and ignore the result."""
    write(directory, "model.pkl", content)
    with suppress(InvalidModelError):
        extract_signature("SKLearn", directory)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", ATTACKS)
def test_no_code_of_a_pickle_runs(tmp_path: Path, name: str, protocol: int) -> None:
    mark = tmp_path / "it-ran"
    read(tmp_path / "model", pickle.dumps(attack_named(name, mark), protocol))
    assert not mark.exists()


@pytest.mark.parametrize("name", RUN_BY_PICKLE)
def test_pickle_itself_would_have_run_it(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(attack_named(name, mark)))  # noqa: S301 - shows that the test above can fail
    assert mark.exists()


@pytest.mark.parametrize("name", OPCODES)
def test_no_opcode_calls_anything(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "it-ran"
    read(tmp_path / "model", OPCODES[name].replace(b"%s", str(mark).encode()))
    assert not mark.exists()


@pytest.mark.parametrize("name", RUN_BY_PICKLE_TOO)
def test_pickle_itself_would_have_called_it(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "it-ran"
    pickle.loads(OPCODES[name].replace(b"%s", str(mark).encode()))  # noqa: S301 - shows that the test above can fail
    assert mark.exists()


def test_a_global_is_only_recorded(tmp_path: Path) -> None:
    write(tmp_path, "model.pkl", pickle.dumps(os.system))
    value = read_pickle(tmp_path / "model.pkl")
    assert value.made_by in {"posix.system", "os.system", "nt.system"}
    assert value is not os.system


def test_a_call_is_recorded_with_its_arguments(tmp_path: Path) -> None:
    write(tmp_path, "model.pkl", pickle.dumps(Runs(os.system, "true")))
    assert read_pickle(tmp_path / "model.pkl").arguments == ("true",)
