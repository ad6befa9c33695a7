"""`python -m support.cluster`: a cluster for development."""

import argparse
import sys
import time
from collections.abc import Callable

from . import keeper, leftovers, programs, requirements
from .cluster import own_cluster
from .layout import Layout
from .running import SECONDS_TO_STOP, ClusterError, start_keeper, wait_until_ready

NAME = "klever-cluster"
NODES = ("real", "simulated")


def main() -> int:
    """Runs one of the commands. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m support.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__)
        command.set_defaults(run=run)
        if name in {"up", "keep"}:
            command.add_argument("--nodes", choices=NODES, default="real")
        if name == "keep":
            command.add_argument("name")
            command.add_argument("--attached", action="store_true")
    arguments = parser.parse_args()
    code: int = arguments.run(arguments)
    return code


def _up(arguments: argparse.Namespace) -> int:
    """Start the cluster, and wait until its node is ready."""
    layout = Layout(NAME, simulated=arguments.nodes == "simulated")
    if reason := _missing(layout):
        print(f"This machine cannot run the cluster: {reason}.", file=sys.stderr)
        return 1
    if layout.ready.exists() and keeper.running_keeper(layout):
        print("The cluster runs already.")
    elif code := _start(layout):
        return code
    print(own_cluster(layout).kubectl("get", "nodes", "--output=wide"), end="")
    print(f"export KUBECONFIG={layout.kubeconfig}")
    return 0


def _start(layout: Layout) -> int:
    programs.build()
    if removed := leftovers.remove():
        print(f"Removed what was left of {', '.join(removed)}.")
    try:
        wait_until_ready(layout, start_keeper(layout, attached=False))
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    print(layout.log.read_text(), end="")
    return 0


def _down(_arguments: argparse.Namespace) -> int:
    """Stop the cluster, and remove the remains of killed clusters."""
    began = time.monotonic()
    if process := keeper.running_keeper(Layout(NAME)):
        process.terminate()
        process.wait(SECONDS_TO_STOP)
    leftovers.remove()
    Layout(NAME).log.unlink(missing_ok=True)
    print(f"The cluster is stopped; that took {time.monotonic() - began:.1f} s.")
    return 0


def _build(_arguments: argparse.Namespace) -> int:
    """Build the programs of the cluster and of Istio, where the machine can run them."""
    if reason := requirements.missing_for_control_plane():
        print(f"SKIPPED SUITES: this machine cannot run a Kubernetes cluster: {reason}")
        return 0
    if reason := requirements.missing_for_node():
        print(f"SKIPPED SUITES: this machine cannot run a Kubernetes node, so kwok simulates nodes: {reason}")
    programs.build()
    programs.build_istio()
    programs.build_kserve()
    programs.build_helm()
    return 0


def _keep(arguments: argparse.Namespace) -> int:
    """Run a cluster in the foreground (`up` and the tests do so in the background)."""
    layout = Layout(arguments.name, simulated=arguments.nodes == "simulated")
    return keeper.keep(layout, attached=arguments.attached)


def _missing(layout: Layout) -> str | None:
    return requirements.missing_for_control_plane() or (None if layout.simulated else requirements.missing_for_node())


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"up": _up, "down": _down, "build": _build, "keep": _keep}

if __name__ == "__main__":
    sys.exit(main())
