"""Every command that contacts a platform, against one that refuses, fails, is down, or is not Klever: a sentence."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from klever.cli.__main__ import cli
from support.odd_answers import answering
from support.processes import free_port

HTML = "<html><body>It works!</body></html>"
PROBLEM = {"type": "urn:klever:problem:x", "title": "No", "status": 500, "detail": "the disk is full", "code": "x"}
OCI = {"errors": [{"code": "DENIED", "message": "'ci' may not push in *", "detail": {}}]}
MANIFEST = "metadata: {name: iris}\nspec:\n  variants: [{name: v1, model: 'library/iris:v1'}]\n"

ANSWERS: dict[str, tuple[int, Any]] = {
    "401 of an OCI registry": (401, OCI),
    "403 without a body": (403, ""),
    "403 with a page": (403, HTML),
    "404 of a problem": (404, PROBLEM),
    "404 with a page": (404, HTML),
    "500 of a problem": (500, PROBLEM),
    "500 with a list": (500, ["broken"]),
    "500 with odd errors": (500, {"errors": ["broken", {"field": "x"}], "code": 7}),
    "503 without a body": (503, ""),
    "200 with a page": (200, HTML),
    "200 without a body": (200, ""),
    "200 with another object": (200, {"name": "x"}),
    "200 with a list": (200, []),
    "200 with other items": (200, {"metadata": {"totalItems": 1}, "items": [{"name": "x"}], "status": {}}),
}


def with_server(group: click.Group, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The commands that have a --server."""
    for name, command in group.commands.items():
        path = (*prefix, name)
        if isinstance(command, click.Group):
            yield from with_server(command, path)
        elif any(parameter.name == "server" for parameter in command.params):
            yield path


COMMANDS = tuple(with_server(cli))


def example(path: tuple[str, ...]) -> list[str]:
    """The arguments of the first example in a command's help."""
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    start = " ".join(("klever", *path))
    lines = (line.strip() for line in (command.help or "").splitlines())
    return shlex.split(next(line for line in lines if line == start or line.startswith(f"{start} ")))[1:]


@pytest.fixture(autouse=True)
def files_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json").write_text("[[1.0]]")
    (tmp_path / "serving.yaml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)


def run(path: tuple[str, ...], home: Path, server: str | None) -> Result:
    environment = {"KLEVER_HOME": str(home), "KLEVER_SERVER": server}
    return CliRunner().invoke(cli, example(path), env=environment, input="y\n")


EXIT_CODES: dict[tuple[str, ...], int] = {("diff",): 2}
"""Commands whose exit code after an error is not 1."""


def assert_a_sentence(result: Result, exit_code: int = 1) -> None:
    assert isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == exit_code, result.output
    last = result.stderr.rstrip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert len(last) > len("Error: ") + 10


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_refused_or_unreadable_answer_is_a_sentence(tmp_path: Path, answer: str) -> None:
    status, body = ANSWERS[answer]
    text = body if isinstance(body, str) else json.dumps(body)
    with answering(status, text, "text/html" if body == HTML else "application/json") as url:
        for path in COMMANDS:
            assert_a_sentence(run(path, tmp_path, url), EXIT_CODES.get(path, 1))


def test_an_unreachable_server_is_a_sentence(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for path in COMMANDS:
        result = run(path, tmp_path, url)
        assert_a_sentence(result, EXIT_CODES.get(path, 1))
        assert "does not respond: is the platform running?" in result.stderr


def test_a_platform_of_another_home_is_not_used(tmp_path: Path) -> None:
    for path in COMMANDS:
        result = run(path, tmp_path, None)
        assert_a_sentence(result, EXIT_CODES.get(path, 1))
        assert f"no platform runs with {tmp_path.resolve()}. Start one with `klever up`" in result.stderr


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (401, OCI, "'ci' may not push in *"),
        (404, "", "rejected with HTTP status 404"),
        (200, {}, "does not respond like a gateway of this release"),
    ],
)
def test_a_registry_that_refuses_to_rebuild_its_catalogue_gives_the_reason(
    tmp_path: Path, status: int, body: Any, complaint: str
) -> None:
    with (
        answering(status, body if isinstance(body, str) else json.dumps(body)) as registry,
        answering(200, json.dumps({"urls": {"registry": registry}})) as gateway,
    ):
        result = run(("registry", "rebuild"), tmp_path, gateway)
    assert_a_sentence(result)
    assert complaint in result.stderr
