"""A platform of small HTTP servers; `fake_platform.py <home> <port>` runs it as a process that a test can kill."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from klever.platform.home import Home
from klever.platform.plan import MARKER, Part, Urls
from klever.platform.supervisor import Supervisor

URLS = Urls(api="http://127.0.0.1:1", registry="http://127.0.0.1:2", ingress="http://127.0.0.1:3", nats="nats://x:4")

SERVER = """
import http.server, subprocess, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): ...
if "replica" in sys.argv[2:]:
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


def fake_part(home: Home, port: int, *, name: str = "server", replica: bool = False) -> Part:
    """A part that is ready at once. With `replica` it leaves a process behind, like the deployer's model servers."""
    command = (sys.executable, "-c", SERVER, str(port), *(["replica"] if replica else []))
    url = f"http://127.0.0.1:{port}"
    return Part(name, "a server", command, "http", port, url, {MARKER: str(home.path)})


def broken_part(home: Home, port: int) -> Part:
    """A part that reports why it cannot run, and exits."""
    command = (sys.executable, "-c", "import sys; sys.exit('the disk is full')")
    return Part("broken", "ends at once", command, "http", port, "", {MARKER: str(home.path)})


@dataclass
class Recorder:
    """Records the reports of the supervisor."""

    reports: list[str] = field(default_factory=list)

    def ready(self, part: Part, seconds: float) -> None:
        assert seconds >= 0
        self.reports.append(f"{part.name} ready")

    def died(self, part: Part, code: int) -> None:
        self.reports.append(f"{part.name} died {code}")

    def failed(self, part: Part, reason: str) -> None:
        self.reports.append(f"{part.name} failed: {reason}")


async def main(home: Home, port: int) -> None:
    async with Supervisor(home, [fake_part(home, port, replica=True)], URLS, Recorder()).running():
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Home(Path(sys.argv[1])), int(sys.argv[2])))
