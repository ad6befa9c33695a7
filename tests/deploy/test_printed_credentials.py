"""Operators who provide the credentials themselves print the Secrets, and complete those of an earlier release."""

import asyncio
import base64
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from klever.platform.cluster_credentials import SEEDS

OPTIONS = (
    "--print",
    "--namespace=klever",
    "--secret=sealed",
    "--registry-secret=klever-registry",
    "--node=nats-0.nats",
)


async def printed(*options: str) -> tuple[int, list[Any], str]:
    """Run the program. Return its exit code, the Secrets and the errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "klever.platform.credentials_job", *OPTIONS, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, list(yaml.safe_load_all(output)), errors.decode()


def entry(secret: Any, name: str) -> str:
    return base64.b64decode(secret["data"][name]).decode()


async def test_secrets_are_printed_and_completed(tmp_path: Path) -> None:
    code, [secret, login], errors = await printed()
    assert (code, errors) == (0, "")
    assert secret["metadata"]["name"] == "sealed"
    assert entry(login, "password") == entry(secret, "registry-password")
    del secret["data"]["gateway.nk"]
    file = tmp_path / "secret.yaml"
    file.write_text(yaml.safe_dump_all([login, secret]))
    _, [second, _], _ = await printed(f"--existing={file}")
    for name in {*SEEDS, "token", "nats-routes.conf"} - {"gateway.nk"}:
        assert entry(second, name) == entry(secret, name)
    assert entry(second, "gateway.nk")


async def test_a_damaged_key_is_an_error_and_is_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "secret.yaml"
    file.write_text(
        yaml.safe_dump({"metadata": {"name": "sealed"}, "stringData": {"deployer.nk": "SECRET-AND-DAMAGED"}})
    )
    code, secrets, errors = await printed(f"--existing={file}")
    assert (code, secrets) == (1, [])
    assert "the entry deployer.nk of the Secret is not the seed of an NKey: restore it" in errors
    assert "SECRET-AND-DAMAGED" not in errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata: {name: sealed}\ndata: {token: //4=}", "the entry token of the Secret is not UTF-8 text in Base64"),
        ("metadata: {name: sealed}\ndata: {token: '###'}", "the entry token of the Secret is not UTF-8 text in Base64"),
        ("metadata: {name: sealed}\ndata: {token: null}", "the entry token of the Secret is not UTF-8 text in Base64"),
        ("metadata: {name: sealed}\nstringData: {token: 5}", "the entry token of the Secret is not UTF-8 text"),
        ("metadata: {name: sealed}\ndata: [1]", "the field data of the Secret is not a mapping"),
        ("metadata: {name: another}", "contains no Secret sealed"),
        ("[1]\n---\n", "contains no Secret sealed"),
        ("", "contains no Secret sealed"),
        ("a: [", "is not valid YAML"),
    ],
)
async def test_a_file_without_valid_entries_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "secret.yaml"
    file.write_text(text)
    code, secrets, errors = await printed(f"--existing={file}")
    assert (code, secrets, len(errors.splitlines())) == (1, [], 1)
    assert message in errors
