"""The cost of credentials: events published one after another, with and without, in turns on one machine.

`uv run --group dev python tests/bench/nats_credentials.py`
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from nats.aio.client import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from kleverkit.provisioning import provision
from support.guarded_nats import GuardedNats
from support.nats_server import NatsServer

ROUNDS, EVENTS = 30, 300
SUBJECT, BODY = "klever.model.pushed.library.iris", b"x" * 512


async def rate(client: Client) -> float:
    """Events per second."""
    js = client.jetstream()
    started = time.perf_counter()
    for _ in range(EVENTS):
        await js.publish(SUBJECT, BODY)
    return EVENTS / (time.perf_counter() - started)


async def main() -> None:
    """Print the best run of each, which is least affected by other load, and their ratio."""
    with tempfile.TemporaryDirectory() as directory:
        guarded, unguarded = GuardedNats(Path(directory)), NatsServer(Path(tempfile.mkdtemp(dir=directory)))
        guarded.server.start()
        unguarded.start()
        try:
            await guarded.provide()
            plain = Client()
            await plain.connect(unguarded.url)
            await provision(plain.jetstream())
            async with guarded.client("registry") as registry:
                pairs = [(await rate(registry.client), await rate(plain)) for _ in range(ROUNDS)]
            await plain.close()
        finally:
            guarded.server.stop()
            unguarded.stop()
    with_, without = (max(column) for column in zip(*pairs, strict=True))
    print(f"with credentials {with_:.0f}/s, without {without:.0f}/s, ratio {with_ / without:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
