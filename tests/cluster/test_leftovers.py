"""A cluster leaves the machine as it was, also if the process that started it is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.cluster import control_groups, leftovers, programs, requirements
from support.cluster.cluster import own_cluster
from support.cluster.forwarding import environment
from support.cluster.isolation import KERNEL_SETTINGS
from support.cluster.layout import BUSYBOX_IMAGE, Layout
from support.waiting import eventually

WITHIN = 120.0
MOUNTS = Path("/proc/self/mounts")
"""Other suites mount file systems below /tmp."""
STARTER = """
import sys
from support.cluster.layout import Layout
from support.cluster.running import running

with running(Layout(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout() -> Iterator[Layout]:
    if reason := requirements.missing_for_node() or requirements.missing_for_control_plane():
        pytest.skip(f"this machine cannot run a Kubernetes node: {reason}")
    programs.build()
    yield Layout(f"klever-killed-{os.getpid()}")
    leftovers.remove()


async def test_cluster_leaves_nothing_behind_when_it_stops(layout: Layout) -> None:
    before = host_state()
    with starter(layout) as process:
        assert leftovers.remove() == []  # a running cluster is not removed
        await run_a_pod(layout)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(WITHIN) == 0
    assert host_state() == before
    assert not remains(layout)


async def test_killed_test_run_leaves_nothing_behind(layout: Layout) -> None:
    before = host_state()
    with starter(layout) as process:
        await run_a_pod(layout)
        process.kill()
    await eventually(lambda: nothing_remains(layout), within=WITHIN, every=0.2)
    assert host_state() == before


async def test_next_start_removes_a_cluster_whose_keeper_was_killed(layout: Layout) -> None:
    before = host_state()
    with starter(layout) as process:
        await run_a_pod(layout)
        (keeper,) = (each for each in psutil.Process(process.pid).children() if "keep" in each.cmdline())
        keeper.kill()
        process.kill()
    assert remains(layout)

    async def is_removed() -> bool:
        return leftovers.remove() == [layout.name]

    await eventually(is_removed, within=WITHIN, every=0.2)  # a killed process holds its lock until it has ended
    assert not remains(layout)
    assert host_state() == before


def starter(layout: Layout) -> subprocess.Popen[str]:
    """A process that runs a cluster, as a test session does; the cluster is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, layout.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


async def run_a_pod(layout: Layout) -> None:
    cluster = own_cluster(layout)
    cluster.kubectl("run", "pod", f"--image={BUSYBOX_IMAGE}", "--command", "--", "sleep", "100000")

    async def is_running() -> bool:
        phase: str = cluster.get("pod", "pod")["status"]["phase"]
        return phase == "Running"

    await eventually(is_running, within=WITHIN, every=0.2)


async def nothing_remains(layout: Layout) -> bool:
    return not remains(layout)


def remains(layout: Layout) -> list[object]:
    """Files, control groups and processes of a cluster."""
    groups = list(control_groups.CONTROL_GROUPS.glob(f"*/{layout.control_group}"))
    files = [path for path in (layout.directory, layout.lock, layout.log) if path.exists()]
    return [*groups, *files, *control_groups.processes(layout.control_group)]


def host_state() -> dict[str, str]:
    """All that a node could change on the host, beside files and control groups."""
    commands = (("ip", "netns"), ("ip", "-oneline", "link"), ("iptables-save",), ("ip6tables-save",), ("ip", "rule"))
    outputs = {command[0] + command[-1]: subprocess.check_output(command, text=True) for command in commands}
    settings = {name: (Path("/proc/sys") / name).read_text() for name in KERNEL_SETTINGS}
    mounts = "\n".join(line for line in MOUNTS.read_text().splitlines() if not line.split()[1].startswith("/tmp/"))  # noqa: S108
    directories = (
        "/run/netns",
        "/var/lib/cni",
        "/var/lib/kubelet",
        "/var/log/pods",
        "/var/log/containers",
        "/run/containerd",
    )
    return outputs | settings | {"mounts": mounts} | {path: str(Path(path).exists()) for path in directories}
