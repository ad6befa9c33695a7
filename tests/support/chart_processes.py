"""The services as the Helm chart runs them, as processes on loopback: with its commands, settings and accounts."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.chart_cluster import Cluster
from support.helm import NAMESPACE, Object, containers, environment, pods
from support.processes import ServerProcess, answers, free_port

COMPONENTS = ("topology", "registry", "jobrunner", "deployer", "gateway")
ADDRESS = f"klever-registry.{NAMESPACE}.svc:5000"
CREDENTIALS, DATA, TEMPORARY = "/etc/klever", "/var/lib/klever", "/tmp"  # noqa: S108 - in the container

READ_ONLY = """
mount --bind "$1" "$1"
mount -o remount,bind,ro /
shift
exec "$@"
"""
"""A script with a directory and a command line."""


def read_only(command: Sequence[str], directory: Path) -> list[str]:
    """A command line that runs another one with a read-only root file system, in which a directory is writable."""
    user = () if os.getuid() == 0 else ("--user", "--map-root-user")
    unshare = ["unshare", "--mount", *user]
    if subprocess.run([*unshare, "true"], check=False).returncode:
        print("NOT TESTED: a read-only root file system, because mount namespaces are not available here")
        return list(command)
    return [*unshare, "sh", "-euc", READ_ONLY, "sh", str(directory), *command]


class ChartProcesses:
    """The processes of one rendered chart.

    Args:
        objects: the rendered objects.
        entries: entries of the Secret with credentials.
        cluster: as an administrator uses it; it has the accounts of the chart.
        directory: existing.
        nats: URL of the server.
    """

    def __init__(
        self, objects: list[Object], entries: Mapping[str, str], cluster: Cluster, directory: Path, nats: str
    ) -> None:
        self._objects, self._entries, self._directory = objects, entries, directory
        self.ports = {name: free_port() for name in COMPONENTS}
        self._replaced = {
            ADDRESS: f"127.0.0.1:{self.ports['registry']}",
            f"nats://klever-nats.{NAMESPACE}.svc:4222": nats,
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - what is replaced
        }
        self.servers = {name: self._server(name, cluster) for name in COMPONENTS}

    def url(self, component: str) -> str:
        """The URL of a service."""
        return f"http://127.0.0.1:{self.ports[component]}"

    def directory_of(self, component: str) -> Path:
        """The directory with the files of a service."""
        return self._directory / component

    def _server(self, component: str, cluster: Cluster) -> ServerProcess:
        directory, port = self.directory_of(component), self.ports[component]
        for name in ("etc", "data", "tmp"):
            (directory / name).mkdir(parents=True)
        self._mount_credentials(component)
        account = cluster.account(f"klever-{component}", NAMESPACE)
        settings = {**self._settings(component), f"KLEVER_{component.upper()}_PORT": str(port)}
        own = {"KUBECONFIG": str(account.kubeconfig), "TMPDIR": str(directory / "tmp")}
        env = {"PATH": os.environ["PATH"], **own, **settings}
        [container] = [each for each in containers(self._objects) if each["name"] == component]
        command = [sys.executable, *container["command"][1:]]
        return ServerProcess(read_only(command, directory), directory / "log", lambda: answers(port), env=env)

    def _settings(self, component: str) -> dict[str, str]:
        settings = environment(self._objects, component)
        directory = self.directory_of(component)
        places = {CREDENTIALS: directory / "etc", DATA: directory / "data", TEMPORARY: directory / "tmp"}
        replaced = {}
        for name, value in settings.items():
            text = value
            for old, new in self._replaced.items():
                text = text.replace(old, new)
            place = next((each for each in places if text.startswith(each)), None)
            replaced[name] = text.replace(place, str(places[place]), 1) if place else text
        return replaced

    def _mount_credentials(self, component: str) -> None:
        [pod] = [each for _, each in pods(self._objects) if each["spec"]["containers"][0]["name"] == component]
        [volume] = [each["secret"] for each in pod["spec"]["volumes"] if each["name"] == "credentials"]
        for item in volume["items"]:
            (self.directory_of(component) / "etc" / item["path"]).write_text(self._entries[item["key"]])
