"""Program that creates the Secrets of a platform on a Kubernetes cluster, or adds what they lack.

`python -m klever.platform.credentials_job` is a hook of the Helm chart. It reads the Secret from the API server in each
run, because a chart that is rendered without a cluster cannot know what exists. It never replaces a key or a password.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from klever.errors import PlatformError
from kleverkit.errors import PermanentError, TransientError
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import ConflictError
from kleverkubeclient.resources import SECRETS
from kleverproto.accounts import PLATFORM_ACCOUNT

from .cluster_credentials import REGISTRY_PASSWORD, completed
from .secret_manifest import base64_entries, stored_secret, text_entries

MANAGER = "klever-credentials"
OWN = {"app.kubernetes.io/managed-by": MANAGER}
"""Label of the Secrets that this program has created."""
TRIES = 5


def main() -> None:
    """Entry point."""
    options = _options()
    try:
        if options.print:
            entries = text_entries(stored_secret(options.existing, options.secret)) if options.existing else {}
            sys.stdout.write(yaml.safe_dump_all(_manifests(options, completed(entries, options.node)), sort_keys=False))
        else:
            asyncio.run(_provide(options))
    except (PlatformError, PermanentError, TransientError, OSError) as error:
        sys.exit(str(error))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Create or complete the Secrets of a platform on a cluster.")
    parser.add_argument("--namespace", required=True, help="namespace of the Secrets")
    parser.add_argument("--secret", required=True, help="Secret with the credentials of the services")
    parser.add_argument("--registry-secret", help="Secret with which pods pull models from the platform's own registry")
    parser.add_argument("--node", action="append", default=[], help="host name of a node of NATS; repeated")
    parser.add_argument("--kubeconfig", type=Path, help="by default the ServiceAccount of the pod")
    parser.add_argument("--print", action="store_true", help="print the Secrets, and change nothing")
    parser.add_argument("--existing", type=Path, help="with --print: file with the Secret whose entries are kept")
    return parser.parse_args()


async def _provide(options: argparse.Namespace) -> None:
    async with connected(options.kubeconfig) as client:
        api = KubernetesApi(client)
        stored = await _store(api, options)
        if options.registry_secret:
            await _store_login(api, _login(options, stored[REGISTRY_PASSWORD]))


async def _store(api: KubernetesApi, options: argparse.Namespace) -> dict[str, str]:
    """Store the missing entries, and return all. A Secret that has changed in the meantime is read again."""
    for _ in range(TRIES):
        secret = await api.read(SECRETS, options.namespace, options.secret)
        entries = text_entries(secret or {})
        wanted = completed(entries, options.node)
        try:
            if secret is None:
                await api.create(_secret(options.namespace, options.secret, wanted), manager=MANAGER)
            elif wanted != entries:
                await _patch(api, secret, wanted)
        except ConflictError:
            continue
        added = ", ".join(sorted(set(wanted) - set(entries)))
        print(f"Secret {options.secret}: added {added}" if added else f"Secret {options.secret} is complete")  # noqa: T201
        return wanted
    raise PlatformError(f"Secret {options.secret} changes continuously: another program writes it")


async def _store_login(api: KubernetesApi, wanted: Manifest) -> None:
    """Create the Secret for pulls, or update one that this program has created."""
    metadata = wanted["metadata"]
    present = await api.read(SECRETS, metadata["namespace"], metadata["name"])
    if present is None:
        await api.create(wanted, manager=MANAGER)
    elif OWN.items() <= present["metadata"].get("labels", {}).items() and present.get("data") != wanted["data"]:
        await api.merge(SECRETS, metadata["namespace"], metadata["name"], {"data": wanted["data"]})


async def _patch(api: KubernetesApi, secret: Manifest, wanted: Mapping[str, str]) -> None:
    metadata = secret["metadata"]
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "data": base64_entries(wanted)}
    await api.merge(SECRETS, metadata["namespace"], metadata["name"], patch)


def _manifests(options: argparse.Namespace, entries: Mapping[str, str]) -> list[Manifest]:
    secret = _secret(options.namespace, options.secret, entries)
    return [secret, _login(options, entries[REGISTRY_PASSWORD])] if options.registry_secret else [secret]


def _login(options: argparse.Namespace, password: str) -> Manifest:
    login = {"username": PLATFORM_ACCOUNT, "password": password}
    return _secret(options.namespace, options.registry_secret, login)


def _secret(namespace: str, name: str, entries: Mapping[str, str]) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": OWN}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": base64_entries(entries)}


if __name__ == "__main__":
    main()
