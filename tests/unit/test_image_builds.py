"""The command lines with which tools/images.py builds images."""

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


def test_every_image_that_a_cluster_pulls_from_the_project_is_built() -> None:
    pulled = {support.image for support in RUNTIMES["kleverserve"].formats.values()} | {INITIALIZER, JOBRUNNER}
    assert pulled <= {f"{REPOSITORY}/{image.repository}" for image in images.IMAGES.values()}


def test_every_image_is_a_stage_of_the_dockerfile() -> None:
    stages = set((ROOT / images.DOCKERFILE).read_text().split())
    assert {image.service for image in images.IMAGES.values()} <= stages


def test_without_an_engine_the_error_names_those_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SystemExit, match="none of docker, podman, buildah is installed: install one"):
        images.find_engine(None)
