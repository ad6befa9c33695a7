"""The command lines with which tools/images.py builds images."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kleverkube.images import INITIALIZER
from kleverkube.job_containers import JOBRUNNER
from modelfiles.runtimes import REPOSITORY, RUNTIMES

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import images  # noqa: E402

DOCKERFILE = (ROOT / images.DOCKERFILE).read_text()
OPTIONS = images.Options("example.com/klever", "1.2.3", "abc", "2026-01-01T00:00:00+00:00")


def test_build_names_the_stage_and_the_labels() -> None:
    command = images.command("docker", images.IMAGES["gateway"], OPTIONS)
    assert command == [
        *("docker", "build", "--file", "deploy/images/Dockerfile"),
        *("--tag", "example.com/klever/klever-gateway:1.2.3"),
        *("--build-arg", "SERVICE=gateway"),
        *("--build-arg", "VERSION=1.2.3"),
        *("--build-arg", "REVISION=abc"),
        *("--build-arg", "CREATED=2026-01-01T00:00:00+00:00"),
        ".",
    ]


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_engines_that_default_to_a_format_without_health_checks_use_that_of_docker(engine: str) -> None:
    command = images.command(engine, images.IMAGES["gateway"], OPTIONS)
    assert command[: command.index("--file")] == [engine, "build", "--format", "docker"]


def test_arguments_and_options_are_passed_to_the_engine() -> None:
    options = replace(OPTIONS, arguments={"BASE_IMAGE": "base"}, more=["--platform=linux/arm64"])
    command = images.command("docker", images.IMAGES["kleverserve-sklearn"], options)
    assert "TOOLCHAINS=sklearn" in command
    assert "BASE_IMAGE=base" in command
    assert command[-2:] == ["--platform=linux/arm64", "."]


@pytest.mark.parametrize(
    ("word", "error"),
    [("nope", "NAME: nope is none of registry, "), ("--build-arg=BASE_IMAGE", "BASE_IMAGE is not NAME=VALUE")],
)
def test_unknown_names_and_incomplete_arguments_are_refused(
    word: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        images.main([word])
    assert error in capsys.readouterr().err


def test_all_images_are_built_with_the_bases_of_the_environment_and_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docker").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")  # without git
    monkeypatch.setenv("BASE_IMAGE", "mirror/base")
    assert images.main(["--build-arg=UV_IMAGE=uv=1", "--version=1"]) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("build ")]
    assert len(lines) == len(images.IMAGES)
    assert all("BASE_IMAGE=mirror/base --build-arg UV_IMAGE=uv=1" in line and "REVISION= " in line for line in lines)


def test_a_build_that_fails_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert images.main(["registry", "gateway"]) == 3
    assert capfd.readouterr().out.count("+ docker build") == 1


def test_documented_build_arguments_are_those_of_the_dockerfile() -> None:
    stated = re.findall(r"^ARG (BUILD_IMAGE|BASE_IMAGE|UV_IMAGE|SERVICE)=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(stated) == 4
    page = (ROOT / "docs/installation.md").read_text()
    assert [name for name, default in stated if f"| `{name}` | `{default}` |" not in page] == []


def test_every_image_that_a_cluster_pulls_from_the_project_is_built() -> None:
    pulled = {support.image for support in RUNTIMES["kleverserve"].formats.values()} | {INITIALIZER, JOBRUNNER}
    assert pulled <= {f"{REPOSITORY}/{image.repository}" for image in images.IMAGES.values()}


def test_every_image_is_a_stage_of_the_dockerfile() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert {image.service for image in images.IMAGES.values()} == stages - {"uv", "build", "runtime"}


def test_without_an_engine_the_error_names_those_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SystemExit, match="none of docker, podman, buildah is installed: install one"):
        images.find_engine(None)
