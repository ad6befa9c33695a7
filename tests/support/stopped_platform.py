"""The home of a platform that does not run, with streams, a model and secrets; made without starting its services."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from nats.js import JetStreamContext

from klever.backup.servers import temporary_client
from klever.cli.startup import find_nats_server
from klever.platform.home import Home
from klever.platform.own_secrets import provide_secret
from kleverkit.provisioning import provision
from support.backup_files import CONFIG, INDEX, MANIFEST, WEIGHTS
from support.stored_messages import Message, stored_messages


@dataclass(frozen=True)
class DataDirectory:
    """The data directory of a registry."""

    root: Path

    def layout(self, name: str) -> Path:
        """The OCI image layout of a repository."""
        return self.root / "repositories" / name / "_oci"

    def blob(self, digest: str, name: str = "library/iris") -> Path:
        """The file of a blob."""
        return self.layout(name) / "blobs" / digest.replace(":", "/")

    def write(self, name: str) -> None:
        """Write a repository with one model, and an open upload."""
        for digest, content in (CONFIG, WEIGHTS, MANIFEST):
            self.blob(digest, name).parent.mkdir(parents=True, exist_ok=True)
            self.blob(digest, name).write_bytes(content)
        (self.layout(name) / "index.json").write_bytes(INDEX)
        (self.layout(name) / "_indexed").touch()
        uploads = self.root / "repositories" / name / "_uploads"
        uploads.mkdir()
        (uploads / "open").write_bytes(b"half a blob")

    def enlarge_weights(self, size: int) -> None:
        """Let the weights of the model be a file of zeros, of any size, that uses no space."""
        self.blob(WEIGHTS[0]).unlink()
        with self.blob(WEIGHTS[0]).open("wb") as file:
            file.truncate(size)


async def stopped_platform(path: Path, *, log_bytes: int = 0) -> Home:
    """Create a home.

    Args:
        path: of the home.
        log_bytes: size of the logs in its streams.
    """
    home = Home(path)
    home.create()
    provide_secret(home.token)
    provide_secret(home.registry_password)
    (home.secrets / "default").mkdir(parents=True)
    (home.secrets / "default" / "hf-token").write_text("value")
    DataDirectory(home.of("registry")).write("library/iris")
    async with temporary_client(home, find_nats_server()) as client:
        await provision(client.jetstream())
        await _publish(client.jetstream(), log_bytes)
    return home


async def _publish(js: JetStreamContext, log_bytes: int) -> None:
    document = json.dumps({"spec": {}}).encode()
    await js.publish("$KV.klever-models.library.iris.v1", document)
    for number in range(3):
        await js.publish(f"klever.model.pushed.library.iris.v{number}", b"{}")
    for _ in range(log_bytes // 100_000):
        await js.publish("klever.log.lines.x", random.randbytes(100_000))


async def messages_in_home(home: Home) -> dict[str, list[Message]]:
    """All messages of the streams of a home that no platform uses."""
    async with temporary_client(home, find_nats_server()) as client:
        return await stored_messages(client.jetstream())
