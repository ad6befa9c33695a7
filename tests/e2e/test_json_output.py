"""`--json` of every command that prints data: one JSON document, with the API's camelCase names."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from klever.cli.__main__ import cli as klever
from ormb.cli.__main__ import cli as ormb
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

PROGRAMS: dict[str, click.Group] = {"klever": klever, "ormb": ormb}
WITHOUT_DATA = {
    "ormb": {"completion", "login", "logout", "remove", "tag", "version"},
    "klever": {
        *("completion", "diff", "down", "example", "up", "undeploy", "toolchain remove"),
        *(
            "jobs cancel",
            "jobs delete",
            "jobs retry",
            "models delete",
            "registry account add",
            "registry account anonymous",
        ),
        "registry account remove",
        *("nats-config", "registry quota set", "secrets set", "secrets delete"),
        *("jobs logs", "logs"),  # lines, as programs have written them
    },
}
"""Commands that report their result in a sentence."""
ELSEWHERE = {
    *("klever demo", "klever toolchain install", "klever convert"),
    *("klever backup create", "klever backup restore"),
}
"""Commands whose JSON other tests read: tests/e2e/test_demo.py, tests/deploy/test_backup.py. tests/toolchains installs
toolchains."""
CAMEL_CASE = re.compile(r"^[a-zA-Z][a-zA-Z0-9]*$")
NAMES_OF_OTHERS = {"annotations", "details", "env", "labels", "metrics", "operators", "parameters", "projects"}
"""Objects whose keys are chosen by users, models, formats or other tools."""
PROTOCOL = {"model_name", "model_version"}
"""Names defined by the Open Inference Protocol."""


def commands(group: click.Group, *prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *prefix, name)
        else:
            yield " ".join((*prefix, name)), command


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_that_prints_data_has_json(program: str) -> None:
    without = {
        path for path, command in commands(PROGRAMS[program]) if "as_json" not in {each.name for each in command.params}
    }
    assert without == WITHOUT_DATA[program]


def wrong_keys(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for each in value for key in wrong_keys(each)]
    if not isinstance(value, dict):
        return []
    wrong = [key for key in value if not CAMEL_CASE.match(key) and key not in PROTOCOL]
    return wrong + [key for name, each in value.items() if name not in NAMES_OF_OTHERS for key in wrong_keys(each)]


class Terminal:
    """Runs commands in this process, with the home of a platform.

    Args:
        platform: the platform of the commands.
        directory: holds `adder-1` and `adder-2`.
    """

    def __init__(self, platform: Platform, directory: Path) -> None:
        self.directory = directory
        self._environment = {"KLEVER_HOME": str(platform.home), "ORMB_ROOTPATH": str(platform.home / "ormb")}
        self._environment["KLEVER_SERVER"] = platform.urls["api"]
        self._registry = platform.registry_host

    async def json(self, line: str) -> Any:
        """Return the output of a command with --json."""
        program, *arguments = line.format(here=self.directory, registry=self._registry).split()
        done = await asyncio.to_thread(
            CliRunner().invoke, PROGRAMS[program], [*arguments, "--json"], env=self._environment
        )
        assert done.exit_code in {0, 1}, f"{line}\n{done.output}"  # 1: diff has found differences
        return json.loads(done.stdout)


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    for number in (1, 2):
        adder(tmp_path / f"adder-{number}", number)
    (tmp_path / "home").mkdir()
    async with running_platform(tmp_path / "home") as platform:
        yield Terminal(platform, tmp_path)


STORY = """\
ormb save {here}/adder-1 {registry}/library/adder:v1
ormb models
ormb push {registry}/library/adder:v1
ormb push {here}/adder-2 {registry}/library/adder:v2
ormb inspect {registry}/library/adder:v1 --parse
ormb diff {registry}/library/adder:v1 {registry}/library/adder:v2
ormb pull {registry}/library/adder:v1
ormb export {registry}/library/adder:v1 -d {here}/copy
ormb copy {registry}/library/adder:v1 {registry}/team/adder:v1
ormb attach {registry}/library/adder:v1 {here}/adder-1/model/model.onnx --type application/vnd.example.copy
ormb discover {registry}/library/adder:v1
ormb prune
klever status
klever models get library/adder:v1
klever models list
klever projects policy set library --scan warn
klever projects policy get library
klever deploy library/adder:v1
klever deploy library/adder:v2 --name adder --traffic 20
klever get adder
klever describe adder
klever predict adder --input x=[1]
klever traffic adder
klever scale adder --replicas 1
klever rollback adder --to 1
klever rollout adder
klever apply -f {here}/serving.yaml
klever jobs list
klever jobs get {job}
klever jobs events {job}
klever jobs create library/adder:v1
klever registry rebuild
klever login-link
klever registry account list
klever events credentials --list
klever secrets list
klever registry login
klever registry quota list
klever toolchain list
"""
SERVING = """\
apiVersion: klever.dev/v1alpha1
kind: Serving
metadata: {name: second}
spec:
  variants: [{name: v1, model: "library/adder:v1"}]
  traffic: {weights: {v1: 100}}
"""


def test_the_story_has_every_command() -> None:
    story = {line.partition(" {")[0] for line in STORY.splitlines()}
    for program, group in PROGRAMS.items():
        for path, _ in commands(group):
            line = f"{program} {path}"
            if path not in WITHOUT_DATA[program] and line not in ELSEWHERE:
                assert any(each == line or each.startswith(f"{line} ") for each in story), line


@pytest.mark.timeout(180)
async def test_every_document_has_camel_case_names(terminal: Terminal) -> None:
    (terminal.directory / "serving.yaml").write_text(SERVING)

    async def job() -> str:
        listed = await terminal.json("klever jobs list")
        return str(listed[0]["id"]) if listed else ""

    wrong = {}
    for line in STORY.splitlines():
        named = line.replace("{job}", await eventually(job, within=20)) if "{job}" in line else line
        if keys := wrong_keys(await terminal.json(named)):
            wrong[line] = keys
    assert wrong == {}
