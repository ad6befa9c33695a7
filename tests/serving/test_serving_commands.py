"""Servings as a user handles them: a file, traffic, scale, rollouts, back again; each command typed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.commands import Shell
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import processes_below

MANIFEST = """\
apiVersion: klever.dev/v1alpha1
kind: Serving
metadata: {name: adder}
spec:
  variants:
    - {name: v1, model: "library/adder:v1"}
    - {name: v2, model: "library/adder:v2"}
  traffic:
    weights: {v1: 100, v2: 0}
    rules: [{headers: {x-user: {prefix: beta-}}, variant: v2}]
"""


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A platform with three versions of a model."""
    shell = Shell(tmp_path / "home", tmp_path)
    await shell.ok("klever up --detach --ports auto")
    urls = json.loads(await shell.ok("klever status --json"))["urls"]
    registry = urls["registry"].removeprefix("http://")
    for number in (1, 2, 3):
        adder(tmp_path / f"adder-{number}", number)
        await shell.ok(f"ormb save ./adder-{number} {registry}/library/adder:v{number}")
        await shell.ok(f"ormb push {registry}/library/adder:v{number}")
    yield shell
    await shell.ok("klever down")
    assert processes_below(shell.directory) == []


async def predicted(shell: Shell, *options: str) -> str:
    """The prediction for 1."""
    return (await shell.ok(" ".join(["klever predict adder --input x=@x.csv", *options]))).splitlines()[1]


@pytest.mark.timeout(180)
async def test_a_serving_from_a_file_goes_through_rollouts_and_back(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text(MANIFEST)
    (tmp_path / "x.csv").write_text("1\n")
    done = await shell.run("klever apply -f serving.yaml")
    assert (done.code, "generation 1, Ready" in done.out) == (0, True), done
    assert "starting model servers" in done.err
    assert await predicted(shell) == "2"
    assert await predicted(shell, "--header x-user=beta-ann") == "3"

    assert "rule:       v2:x-user^=beta-" in await shell.ok("klever traffic adder")
    refused = await shell.run("klever deploy library/adder:v3 --name adder")
    assert (refused.code, "there is no variant v2" in refused.err) == (1, True), refused
    await shell.ok("klever traffic adder v1=0 v2=100 --no-rules")
    assert await predicted(shell) == "3"

    await shell.ok("klever deploy library/adder:v3 --name adder --strategy blueGreen")
    assert "Waiting at 0 %" in await shell.ok("klever rollout adder")
    assert await predicted(shell) == "3"
    assert await predicted(shell, "--header x-klever-preview=true") == "4"
    await shell.ok("klever rollout adder promote")

    async def is_promoted() -> bool:
        return await predicted(shell) == "4"

    assert await eventually(is_promoted, within=20)
    nothing = await shell.run("klever rollout adder abort")
    assert (nothing.code, "no rollout in progress" in nothing.err) == (1, True), nothing

    assert "2 of 2 ready" in await shell.ok("klever scale adder --replicas 2")
    await shell.ok("klever rollback adder --to 2")
    assert await predicted(shell) == "3"
    description = await shell.ok("klever describe adder")
    assert "  1  " in description.split("revisions:")[1]
    assert "serving.trafficshifted.v1" in description
    assert "v2/0 | " in await shell.ok("klever logs adder --variant v2")
    assert "library/adder:v2 100 %" in await shell.ok("klever get")


@pytest.mark.timeout(120)
async def test_a_push_to_a_followed_tag_is_served_automatically(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n")
    await shell.ok("klever deploy library/adder:v1 --on-push deploy")
    assert await predicted(shell) == "2"
    assert "on push:    deploy" in await shell.ok("klever describe adder")
    urls = json.loads(await shell.ok("klever status --json"))["urls"]
    tag = f"{urls['registry'].removeprefix('http://')}/library/adder:v1"
    await shell.ok(f"ormb save ./adder-3 {tag}")
    await shell.ok(f"ormb push {tag}")

    async def is_served() -> bool:
        return await predicted(shell) == "4"

    assert await eventually(is_served, within=30)
    assert "generation 2, Ready" in await shell.ok("klever describe adder")

    served = await shell.run("klever models delete library/adder --yes")
    assert (served.code, "library/adder:v1 is served by default/adder" in served.err) == (1, True), served
    assert await shell.ok("klever models delete library/adder:v3 --yes") == "library/adder:v3: deleted\n"
    assert "library/adder:v3" not in await shell.ok("klever models list")
    assert await predicted(shell) == "4"  # the same bytes under another tag


@pytest.mark.timeout(120)
async def test_a_file_with_mistakes_is_refused_with_all_of_them(shell: Shell, tmp_path: Path) -> None:
    wrong = MANIFEST.replace("v1: 100", "v1: 90").replace("variant: v2}", "variant: v9}").replace("beta-", "")
    (tmp_path / "serving.yaml").write_text(f"{wrong}  policy: {{onPush: sometimes}}\n")
    done = await shell.run("klever apply -f serving.yaml")
    assert done.code == 1
    for complaint in ("weights sum to 90", "there is no variant v9", "headers.x-user: give one of", "policy.onPush"):
        assert complaint in done.err, done.err
    assert "No servings" in await shell.ok("klever get")
