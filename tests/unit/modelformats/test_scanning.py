"""Findings of a scan in a model's pickles, which do not run."""

import functools
import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import fetch_file
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_array

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
ROWS = np.random.default_rng(0).random((60, 3))
CLASSES = np.arange(60) % 2
ORDINARY = (
    GradientBoostingClassifier(n_estimators=2, n_iter_no_change=1),
    HistGradientBoostingClassifier(max_iter=2, early_stopping=True),
    HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]),
    MLPClassifier(2, max_iter=2, early_stopping=True),
    GaussianProcessClassifier(),
    GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2),
    make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
    RandomForestClassifier(2, random_state=1),
)
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
    scan = scan_directory(write(tmp_path / "deep", file, content).parent)
    assert scan.verdict == "dangerous"
    assert [(finding.what.partition(".")[2]) for finding in scan.findings if finding.severity == "dangerous"] == [
        "system"
    ]
    assert scan.findings[0].file.startswith(f"deep/{file}")
    assert Scan.model_validate_json(scan.model_dump_json()) == scan


@pytest.mark.parametrize("compress", [0, 3])
def test_an_estimator_is_clean(tmp_path: Path, compress: int) -> None:
    scan = scan_directory(model_files.sklearn_joblib(tmp_path, compress=compress))
    assert (scan.verdict, scan.findings) == ("clean", ())
    assert (scan.scanner, scan.scanner_version[:1]) == ("klever", "0")


@pytest.mark.parametrize("estimator", ORDINARY, ids=lambda estimator: type(estimator).__name__)
def test_an_estimator_fitted_without_custom_code_is_clean(tmp_path: Path, estimator: Any) -> None:
    with warnings.catch_warnings(action="ignore"):  # few steps do not converge
        fitted = estimator.fit(ROWS, CLASSES)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    assert scan_directory(write(tmp_path, "model.joblib", file.getvalue())).findings == ()


@pytest.mark.parametrize(
    ("target", "verdict"),
    [(check_array, "clean"), (np.log1p, "clean"), (os.system, "dangerous"), (fetch_file, "untrusted")],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_partial_is_judged_by_the_function_that_it_calls(tmp_path: Path, target: Any, verdict: str) -> None:
    content = pickle.dumps(functools.partial(target, "x"))
    assert scan_directory(write(tmp_path, "model.pkl", content)).verdict == verdict


@pytest.mark.parametrize("name", ["subprocess.Popen", "Pipeline.fit", "os.PathLike"])
def test_a_name_that_reaches_through_a_trusted_module_is_not_trusted(tmp_path: Path, name: str) -> None:
    content = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in ("sklearn.utils._joblib", name)
    )
    assert scan_directory(write(tmp_path, "model.pkl", content + b"\x93.")).verdict != "clean"


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_models_of_all_formats_are_clean(tmp_path: Path, name: str) -> None:
    assert scan_directory(write(tmp_path, *model_files.of_each_format()[name])).findings == ()


@pytest.mark.parametrize(
    "name",
    [
        "torch.storage.UntypedStorage",
        "torch._utils._rebuild_tensor_v3",
        "torch.float8_e4m3fn",
        "torch.float8_e8m0fnu",
        "torch.float4_e2m1fn_x2",
        "torch.complex32",
    ],
)
def test_the_parts_of_tensors_without_a_storage_class_are_clean(tmp_path: Path, name: str) -> None:
    module, _, bare = name.rpartition(".")
    content = b"\x80\x02" + f"c{module}\n{bare}\n.".encode()
    report = scan_directory(write(tmp_path, "model.pt", zipped("m/data.pkl", content)))
    assert (report.verdict, report.findings) == ("clean", ())


@pytest.mark.parametrize(
    "named",
    [b"cmymodule\nMyModel\n.", b"csklearn.datasets\nfetch_file\n."],
)
def test_an_unknown_name_is_untrusted(tmp_path: Path, named: bytes) -> None:
    assert scan_directory(write(tmp_path, "model.pkl", named)).verdict == "untrusted"


def test_a_class_of_a_script_is_reported_as_one(tmp_path: Path) -> None:
    scan = scan_directory(write(tmp_path, "model.pkl", b"c__main__\nMyModel\n."))
    assert (scan.verdict, scan.untrusted) == ("failed", ())
    assert "move it into a module" in scan.findings[0].reason


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
def test_an_unreadable_file_is_a_finding(tmp_path: Path, file: str, content: bytes) -> None:
    scan = scan_directory(write(tmp_path, file, content))
    assert (scan.verdict, scan.findings[0].what) == ("failed", "")


@pytest.mark.parametrize("file", ["weights.bin", "variables.data", "notes.txt"])
def test_bytes_that_do_not_look_like_a_pickle_are_clean(tmp_path: Path, file: str) -> None:
    assert scan_directory(write(tmp_path, file, bytes(1000))).verdict == "clean"


def test_deeply_nested_archives_are_refused(tmp_path: Path) -> None:
    content = BOMB
    for _ in range(6):
        content = zipped("a.zip", content)
    assert scan_directory(write(tmp_path, "a.zip", content)).verdict == "failed"


def test_the_worst_of_many_findings_are_kept(tmp_path: Path) -> None:
    named = "".join(f"cmymodule\nName{index}\n0" for index in range(2 * MOST_FINDINGS))
    scan = scan_directory(write(tmp_path, "model.pkl", f"{named}cos\nsystem\n."))
    assert len(scan.findings) == MOST_FINDINGS
    assert scan.findings[0].severity == scan.verdict == "dangerous"
