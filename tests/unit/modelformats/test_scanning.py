"""What a scan finds in a model's pickles, without running them."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from kleverproto.scans import Scan
from modelformats.scanning import MOST_FINDINGS, scan_directory
from support import model_files
from support.model_files import write


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/klever-was-here",)


def zipped(name: str, content: bytes) -> bytes:
    """An archive of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def dumped(compress: Any) -> bytes:
    """An array and then a bomb, as joblib writes them."""
    file = io.BytesIO()
    joblib.dump([np.zeros(1000), Bomb()], file, compress=compress)
    return file.getvalue()


def of_objects(save: Callable[..., None]) -> bytes:
    """An array of objects, as NumPy writes it."""
    file = io.BytesIO()
    save(file, np.array([Bomb()], dtype=object))
    return file.getvalue()


BOMB = pickle.dumps(Bomb())
PLAIN = pickle.dumps({"a": 1})


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("model.pkl", BOMB, id="pickle"),
        pytest.param("model.pickle", pickle.dumps(Bomb(), protocol=0), id="protocol-0"),
        pytest.param("weights", BOMB, id="no-ending"),
        pytest.param("model.joblib", dumped(0), id="joblib"),
        pytest.param("model.joblib", dumped(3), id="joblib-zlib"),
        pytest.param("model.joblib", dumped(("xz", 3)), id="joblib-xz"),
        pytest.param("model.pt", zipped("archive/data.pkl", BOMB), id="torch"),
        pytest.param("model.bin", PLAIN * 3 + BOMB, id="torch-before-1.6"),
        pytest.param("model.zip", zipped("inner.zip", zipped("x/model.pkl", BOMB)), id="archive-in-archive"),
        pytest.param("array.npy", of_objects(np.save), id="npy"),
        pytest.param("arrays.npz", of_objects(np.savez), id="npz"),
        pytest.param("model.pkl", BOMB + zipped("a", b""), id="archive-behind-it"),
        pytest.param("model.pkl", pickle.dumps(Bomb(), protocol=0)[:-1], id="cut-off"),
    ],
)
def test_a_command_is_found_in_every_kind_of_file(tmp_path: Path, file: str, content: bytes) -> None:
    found = scan_directory(write(tmp_path / "deep", file, content).parent)
    assert found.verdict == "dangerous"
    assert [(finding.what.partition(".")[2]) for finding in found.findings if finding.severity == "dangerous"] == [
        "system"
    ]
    assert found.findings[0].file.startswith(f"deep/{file}")
    assert Scan.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("compress", [0, 3])
def test_an_estimator_is_clean(tmp_path: Path, compress: int) -> None:
    found = scan_directory(model_files.sklearn_joblib(tmp_path, compress=compress))
    assert (found.verdict, found.findings) == ("clean", ())
    assert (found.scanner, found.scanner_version[:1]) == ("picklescan", "1")


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_models_of_all_formats_are_clean(tmp_path: Path, name: str) -> None:
    assert scan_directory(write(tmp_path, *model_files.of_each_format()[name])).findings == ()


@pytest.mark.parametrize(
    "named",
    [b"cmymodule\nMyModel\n.", b"csklearn.utils\n_joblib.os.system\n.", b"csklearn.datasets\nfetch_file\n."],
)
def test_a_name_that_nobody_knows_is_suspicious(tmp_path: Path, named: bytes) -> None:
    assert scan_directory(write(tmp_path, "model.pkl", named)).verdict == "suspicious"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.pkl", b"no pickle"),
        ("model.pt", b"PK\x03\x04" + bytes(50)),
        ("model.joblib", PLAIN[:-1]),
        ("array.npy", b"\x93NUMPY" + bytes(50)),
        ("model.zip", zipped("a.pkl", BOMB).replace(BOMB, bytes(len(BOMB)))),
    ],
    ids=["text", "archive", "cut-off", "array", "wrong-checksum"],
)
def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path, file: str, content: bytes) -> None:
    found = scan_directory(write(tmp_path, file, content))
    assert (found.verdict, found.findings[0].what) == ("failed", "")


@pytest.mark.parametrize("file", ["weights.bin", "variables.data", "notes.txt"])
def test_bytes_that_promise_no_pickle_are_clean(tmp_path: Path, file: str) -> None:
    assert scan_directory(write(tmp_path, file, bytes(1000))).verdict == "clean"


def test_archives_deep_inside_each_other_are_refused(tmp_path: Path) -> None:
    content = BOMB
    for _ in range(6):
        content = zipped("a.zip", content)
    assert scan_directory(write(tmp_path, "a.zip", content)).verdict == "failed"


def test_the_worst_of_many_findings_are_kept(tmp_path: Path) -> None:
    named = "".join(f"cmymodule\nName{index}\n0" for index in range(2 * MOST_FINDINGS))
    found = scan_directory(write(tmp_path, "model.pkl", f"{named}cos\nsystem\n."))
    assert len(found.findings) == MOST_FINDINGS
    assert found.findings[0].severity == found.verdict == "dangerous"
