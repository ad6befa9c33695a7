"""A model that brings its own server, whose behaviour depends on environment variables and headers of requests."""

from pathlib import Path

PROGRAM = """
import http.server, json, os, threading
failures = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(200)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("request", self.headers.get("x-id", ""), flush=True)
        threading.Event().wait(float(self.headers.get("x-seconds", 0)))
        wanted = int(self.headers.get("x-failures", 0))
        key = self.headers.get("x-id", "")
        failures[key] = failures.get(key, 0) + 1
        self.answer(503 if failures[key] <= wanted else int(os.environ.get("STATUS", "200")))
    def answer(self, status):
        value = os.environ.get("VALUE", "0")
        body = json.dumps({"outputs": [{"data": [float(value)]}], "secret": os.environ.get("SECRET_WORD")}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): ...
print("listening", flush=True)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
"""Server that responds with `VALUE` and `STATUS`, takes `x-seconds`, and fails `x-failures` requests of one `x-id`."""


def custom_server(directory: Path) -> Path:
    """A model directory."""
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "server.py").write_text(PROGRAM)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    return directory
