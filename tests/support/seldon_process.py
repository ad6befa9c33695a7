"""`python -m support.seldon_process KUBECONFIG`: the stand-in for Seldon Core's operator as a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kleverkubeclient.connecting import connected
from support.cluster.forwarding import environment
from support.custom_definitions import install, seldon
from support.processes import ServerProcess
from support.seldon_operator import SeldonOperator

READY, DENIED = "reconciles SeldonDeployments", "the webhook would have denied"


@contextmanager
def running_seldon(kubeconfig: Path, directory: Path) -> Iterator[None]:
    """Runs the operator for a cluster; its definition stays. Fails if it got an object that the real one refuses."""
    log = directory / "seldon.log"
    command = [sys.executable, "-m", "support.seldon_process", str(kubeconfig)]
    with ServerProcess(command, log, lambda: READY in log.read_text(), env=environment()) as server:
        yield
        assert server.process is not None
        assert server.process.poll() is None, log.read_text()
    assert DENIED not in log.read_text(), log.read_text()


async def _reconcile(kubeconfig: Path) -> None:
    """Reconcile until the process is terminated, and print the objects that the webhook would have denied."""
    async with connected(kubeconfig) as client:
        await install(client, seldon())
        operator = SeldonOperator(client)
        running = asyncio.create_task(operator.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        print(READY, os.getpid(), flush=True)
        with suppress(asyncio.CancelledError):
            await running
        for reason in operator.denied:
            print(DENIED, reason, flush=True)


if __name__ == "__main__":
    asyncio.run(_reconcile(Path(sys.argv[1])))
