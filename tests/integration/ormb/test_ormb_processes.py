"""`ormb` as a user types it, each command in a separate process, with Klever's registry."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ormb.layout import LocalLayout
from ormb.packing import pack
from ormb.reference import Reference
from support.commands import Shell
from support.registry_service import running_registry
from support.small_models import adder


@pytest.fixture
async def host(nats_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """host:port of a registry."""
    async with running_registry(tmp_path / "registry", nats_url, reconcile_seconds=600) as client:
        yield client.address


def shell(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Commands that keep all their files below the directory."""
    directory.mkdir()
    for name in ("ORMB_ROOTPATH", "ORMB_USERNAME", "ORMB_PASSWORD", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Shell(directory, directory)


async def test_a_model_moves_from_one_machine_to_another(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, user = shell(tmp_path / "here", monkeypatch), shell(tmp_path / "there", monkeypatch)
    digest = pack(adder(author.directory / "adder", 1)).digest
    name, stable = f"{host}/library/adder:v1", f"{host}/library/adder:stable"
    assert "v1: saved" in await author.ok(f"ormb save adder {name}")
    await author.ok(f"ormb tag {name} {stable}")
    assert "v1: pushed to remote" in await author.ok(f"ormb push {name}")
    await author.ok(f"ormb remove {name}")
    assert [model["ref"] for model in json.loads(await author.ok("ormb models --json"))] == [stable]

    inspected, pulled = await asyncio.gather(user.ok(f"ormb inspect --json {name}"), user.ok(f"ormb pull {name}"))
    assert json.loads(inspected)["digest"] == digest
    assert "Downloaded newer model" in pulled
    await user.ok(f"ormb export {name} -d copy")
    copied = user.directory / "copy"
    assert pack(copied).digest == digest
    original = author.directory / "adder" / "model" / "model.onnx"
    assert (copied / "model" / "model.onnx").read_bytes() == original.read_bytes()


async def test_a_mistake_is_one_sentence_on_standard_error(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = shell(tmp_path / "here", monkeypatch)
    (user.directory / "empty").mkdir()
    mistakes = {
        f"ormb pull {host}/library/missing:v1": "is not in the registry",
        f"ormb push {host}/library/missing:v1": "is not in the local store",
        f"ormb save empty {host}/library/adder:v1": "has no model/ directory",
    }
    done = await asyncio.gather(*(user.run(line) for line in mistakes))
    for result, (line, says) in zip(done, mistakes.items(), strict=True):
        assert result.code != 0, line
        assert says in result.err, line
        assert "Traceback" not in result.err + result.out, line


NAMES_EACH = 100
TAGGING = f"""
import sys
from pathlib import Path
from ormb.layout import LocalLayout
from ormb.reference import Reference
store, who = LocalLayout(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range({NAMES_EACH}):
    first, second = (Reference("localhost:5000", "library/m", tag) for tag in ("v1", f"{{who}}-{{number}}"))
    store.tag(first, second)
"""


async def test_concurrent_processes_on_one_store_lose_nothing(tmp_path: Path) -> None:
    """They continue together once both have started."""
    store = LocalLayout(tmp_path / "store")
    store.save(pack(adder(tmp_path / "m", 1)), Reference("localhost:5000", "library/m", "v1"))
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", TAGGING, str(tmp_path / "store"), who),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for who in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0]
    tags = {model.reference.tag for model in store.models()}
    assert tags == {"v1", *(f"{who}-{number}" for who in ("a", "b") for number in range(NAMES_EACH))}
