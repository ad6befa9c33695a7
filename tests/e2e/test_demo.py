"""`klever demo`, as described in the README."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from support.commands import Shell
from support.waiting import eventually
from support.whole_platform import processes_below


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home", tmp_path)


@pytest.mark.timeout(120)
async def test_the_demo_prints_the_whole_story_as_one_json_object(shell: Shell) -> None:
    story = json.loads(await shell.ok("klever demo --exit --json --ports auto"))
    assert set(story) == {"model", "digest", "signature", "prediction", "split", "urls", "timingsSeconds"}
    assert story["digest"].startswith("sha256:")
    assert [tensor["name"] for tensor in story["signature"]["inputs"]] == ["x"]
    assert [tensor["name"] for tensor in story["signature"]["outputs"]] == ["label", "probabilities"]
    assert story["signature"]["operators"] == {"Gemm": 1, "Softmax": 1, "ArgMax": 1}
    assert story["prediction"]["species"] == "virginica"
    assert story["prediction"]["modelVersion"] == "v1"
    counts = story["split"]["counts"]
    assert sum(counts.values()) == story["split"]["requests"]
    assert 0.1 < counts["v2"] / story["split"]["requests"] < 0.3
    assert set(story["urls"]) == {"api", "registry", "ingress", "nats"}
    assert set(story["timingsSeconds"]) == {"platformReady", "pushToSignature", "deployToReady"}
    assert processes_below(shell.directory) == []


@pytest.mark.timeout(120)
async def test_ctrl_c_after_the_story_stops_everything(shell: Shell) -> None:
    demo = await shell.start("klever", "demo", "--ports", "auto")
    assert demo.stderr is not None
    output = b""
    while b"Ctrl-C stops everything" not in output:
        line = await demo.stderr.readline()
        assert line, output.decode()
        output += line
    for part in (b"nats", b"registry", b"jobrunner", b"deployer", b"gateway", b"virginica", b"http://127.0.0.1"):
        assert part in output
    demo.send_signal(signal.SIGINT)
    await demo.communicate()
    assert demo.returncode == 0
    assert processes_below(shell.directory) == []


@pytest.mark.timeout(120)
async def test_ctrl_c_during_startup_stops_everything(shell: Shell) -> None:
    demo = await shell.start("klever", "demo", "--ports", "auto")

    async def something_runs() -> bool:
        return len(processes_below(shell.directory)) > 2

    await eventually(something_runs, within=30)
    demo.send_signal(signal.SIGINT)
    _, output = await asyncio.wait_for(demo.communicate(), 60)
    assert demo.returncode == 130, output.decode()
    assert b"Traceback" not in output
    assert processes_below(shell.directory) == []
