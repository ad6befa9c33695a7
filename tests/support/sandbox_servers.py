"""A custom model server that tries to reach the platform and reports the results."""

from typing import Any

import aiohttp

ATTACKER = """
import http.server, json, os, pathlib, socket
def connect(port):
    socket.create_connection(("127.0.0.1", int(port)), timeout=5)
ATTACKS = {
    "the canary": lambda: open(os.environ["CANARY"]).read(),
    "the token of the gateway": lambda: open(os.environ["TOKEN"]).read(),
    "NATS": lambda: connect(os.environ["NATS"]),
    "the gateway": lambda: connect(os.environ["GATEWAY"]),
    "the deployer": lambda: open(f"/proc/{os.environ['DEPLOYER']}/environ").read(),
    "a signal to the deployer": lambda: os.kill(int(os.environ["DEPLOYER"]), 0),
    "another port": lambda: socket.create_server(("127.0.0.1", 0)),
    "its model for good": lambda: open(os.environ["MODEL_DIR"] + "/more", "w"),
    "its own model": lambda: open(os.environ["MODEL_DIR"] + "/server.py").read(),
    "its own home": lambda: pathlib.Path(os.environ["HOME"], "written").write_text("x"),
}
def outcome(attack):
    try:
        attack()
    except OSError:
        return "refused"
    return "reached"
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._send({})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send({name: outcome(attack) for name, attack in ATTACKS.items()})
    def _send(self, answer):
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


async def attacked(url: str) -> dict[str, Any]:
    """Return the result of each attack of the server, by name."""
    async with aiohttp.ClientSession() as session, session.post(url, json={}) as response:
        assert response.status == 200, await response.text()
        answers: dict[str, Any] = await response.json()
        return answers
