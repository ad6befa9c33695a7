"""A file runs no code when it is scanned or loaded, whatever its name or contents."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from modelformats.scanning import scan_directory
from support.model_files import sklearn_joblib, write
from support.pickle_attacks import FILES, HIDDEN, also_a_tar, command, in_zip
from support.serving_runtimes import SERVER_PATH, Runtime, toolchain_python
from support.trusted_classes import Doubling

TESTS = Path(__file__).parents[1]
TRUSTING = ("--trust", "support.trusted_classes:Doubling")
CANNOT_LOAD = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """The built-in server in its toolchain, which can import the classes of these tests."""
    paths = os.pathsep.join((SERVER_PATH, str(TESTS)))
    return Runtime(
        "kleverserve",
        toolchain_python("sklearn"),
        tmp_path_factory.mktemp("logs"),
        {"PYTHONPATH": paths, "KLEVER_TRUST": TRUSTING[1]},
        has_grpc=False,
    )


@pytest.mark.parametrize("name", FILES)
def test_an_attack_is_neither_clean_nor_run(server: Runtime, tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    file = write(tmp_path / "model", "model.joblib", FILES[name](canary)) / "model.joblib"
    assert scan_directory(tmp_path / "model").verdict in {"dangerous", "failed"}
    done = server.run_to_the_end(tmp_path, "SKLearn")
    assert (done.returncode, canary.exists()) == (CANNOT_LOAD, False), done.stderr
    assert "is not loaded" in done.stderr
    subprocess.run([sys.executable, "-c", f"import joblib; joblib.load({str(file)!r})"], check=False, cwd=TESTS)
    assert canary.exists(), "the attack must be a real one"


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", HIDDEN)
def test_a_pickle_is_detected_under_any_name(tmp_path: Path, name: str, protocol: int) -> None:
    write(tmp_path / "model", *HIDDEN[name](command(tmp_path / "canary", protocol)))
    assert scan_directory(tmp_path / "model").verdict == "dangerous"
    assert not (tmp_path / "canary").exists()


def test_a_file_that_is_both_an_archive_and_a_pickle_is_read_as_both(tmp_path: Path) -> None:
    write(tmp_path / "model", "model.tar", also_a_tar(command(Path("canary"), 0)))
    assert scan_directory(tmp_path / "model").verdict == "dangerous"


@pytest.mark.parametrize(
    "content",
    [b"\x04\x22\x4d\x18" + bytes(50), in_zip(b"x")[:-30], b"\x1f\x8b\x08" + bytes(40)],
    ids=["lz4", "zip", "gzip"],
)
def test_an_unreadable_archive_is_not_clean(tmp_path: Path, content: bytes) -> None:
    assert scan_directory(write(tmp_path, "weights", content)).verdict == "failed"


def test_a_custom_class_is_loaded_if_the_project_trusts_it(server: Runtime, tmp_path: Path) -> None:
    write(tmp_path / "model", "model.pkl", pickle.dumps(Doubling(2)))
    verdict = scan_directory(tmp_path / "model")
    assert (verdict.verdict, verdict.untrusted) == ("untrusted", ("support.trusted_classes:Doubling",))
    done = server.run_to_the_end(tmp_path, "SKLearn")  # whatever its environment says
    assert "--trust support.trusted_classes:Doubling" in done.stderr
    trusted = server.run_to_the_end(tmp_path, "SKLearn", *TRUSTING)
    assert "holds a Doubling, which has neither predict nor transform" in trusted.stderr


@pytest.mark.parametrize("name", ["os:system", "builtins:eval", "joblib:load"])
def test_a_callable_that_runs_code_is_never_trusted(server: Runtime, tmp_path: Path, name: str) -> None:
    write(tmp_path / "model", "model.pkl", command(tmp_path / "canary"))
    done = server.run_to_the_end(tmp_path, "SKLearn", "--trust", name)
    assert "cannot be trusted" in done.stderr
    assert not (tmp_path / "canary").exists()


async def test_an_ordinary_model_is_clean_and_served(server: Runtime, tmp_path: Path) -> None:
    sklearn_joblib(tmp_path / "model")
    assert scan_directory(tmp_path / "model").verdict == "clean"
    with server.serving(tmp_path, "SKLearn") as served:
        assert [each["name"] for each in (await served.metadata())["outputs"]] == ["predict", "predict_proba"]
