"""Secrets of servings: documents hold their names, files hold their values, and only model servers get them."""

import json
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from klever.cli.__main__ import cli
from klever_deployer.adapters.local.launcher import ProcessLauncher
from klever_deployer.adapters.local.workloads import LocalWorkloads
from kleverkit.secret_files import SecretFiles
from kleverproto.variants import Custom, SecretRef, Variant
from kleversandbox.support import Confinement, find_support
from support.deployer import IRIS, variant, version_spec
from support.local_workloads import local_workloads
from support.waiting import eventually

VALUE = "hunter2\nof two lines"
WRITES = """
import http.server, os, pathlib
pathlib.Path(os.environ["HOME"], "seen").write_text(os.environ["DATABASE_PASSWORD"])
where = os.environ["HOST"], int(os.environ["PORT"])
http.server.HTTPServer(where, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KLEVER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
async def workloads(home: Path, tmp_path: Path) -> AsyncIterator[LocalWorkloads]:
    launching = ProcessLauncher(
        Path(sys.executable), tmp_path, SecretFiles(home / "secrets"), Confinement(find_support())
    )
    async with local_workloads(tmp_path / "workloads", launching, lambda _spec: tmp_path) as running:
        yield running


def ask(*arguments: str, value: str | None = None) -> tuple[int, str]:
    answer = CliRunner().invoke(cli, ["secrets", *arguments], input=value)
    return answer.exit_code, answer.output


def own() -> Variant:
    env: dict[str, Any] = {"DATABASE_PASSWORD": SecretRef(secret="db")}
    return variant("v1", custom=Custom(command=(sys.executable, "-c", WRITES, "$DATABASE_PASSWORD")), env=env)


def test_a_secret_is_a_file_that_only_its_owner_can_read(home: Path) -> None:
    assert ask("set", "db", value=VALUE + "\n")[0] == 0
    status, listed = ask("list", "--json")
    assert (status, json.loads(listed)) == (0, {"secrets": [{"namespace": "default", "name": "db"}]})
    [file] = (home / "secrets").glob("*/*")
    assert file.read_text() == VALUE
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]
    assert ask("delete", "db")[0] == 0
    refusal = "Error: secret db not found in namespace default. List secrets with `klever secrets list`\n"
    assert ask("delete", "db")[1] == refusal


@pytest.mark.parametrize("name", ["../accounts", "a/b", "", ".hidden", "UPPER", "_part"])
def test_a_name_outside_the_directory_is_refused(home: Path, name: str) -> None:
    status, output = ask("set", name, value="x")
    assert (status, "lower-case letters" in output, home.exists()) == (1, True, False)


async def test_a_model_server_gets_the_value_but_its_document_and_arguments_do_not(
    workloads: LocalWorkloads, home: Path, tmp_path: Path
) -> None:
    SecretFiles(home / "secrets").set("default", "db", VALUE)
    served = version_spec("v1", custom=own().custom, env=own().env)
    await workloads.apply(served, 1)

    async def ready() -> bool:
        return workloads.states()[0].ready == 1

    await eventually(ready, within=20)
    [seen] = (tmp_path / "workloads" / "homes").glob("*/seen")
    assert seen.read_text() == VALUE
    seen.unlink()
    written = "".join(path.read_text() for path in (tmp_path / "workloads").rglob("*") if path.is_file())
    assert "hunter2" not in written + served.variant.model_dump_json()
    [pid] = [int(json.loads(path.read_text())["pid"]) for path in (tmp_path / "workloads").rglob("*.json")]
    assert "hunter2" not in " ".join(psutil.Process(pid).cmdline())


async def test_a_missing_secret_is_reported_with_the_command_to_set_it(workloads: LocalWorkloads) -> None:
    refused = workloads.refusal(IRIS, own())
    assert refused == "variant v1: secret db not found in namespace default: create it with `klever secrets set db`"


async def test_a_secret_of_another_namespace_is_missing(workloads: LocalWorkloads, home: Path) -> None:
    SecretFiles(home / "secrets").set("other", "db", VALUE)
    assert "secret db not found in namespace default" in (workloads.refusal(IRIS, own()) or "")


@pytest.mark.parametrize(
    "name", ["DATABASE_PASSWORD", "HF_TOKEN", "AWS_SECRET", "OPENAI_API_KEY", "aws_secret_access_key"]
)
def test_a_value_that_looks_like_a_secret_is_not_stored_in_a_document(name: str) -> None:
    with pytest.raises(ValidationError, match="klever secrets set"):
        variant("v1").model_validate({"name": "v1", "model": "library/iris:v1", "env": {name: "hunter2"}})
