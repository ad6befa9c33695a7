"""The health check of containers, against a server in a thread."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from kleverkit.probe import problem


@contextmanager
def server(status: HTTPStatus, body: bytes) -> Iterator[int]:
    """Serves /readyz; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else HTTPStatus.NOT_FOUND)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base has it
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()


def test_ready_service_has_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with server(HTTPStatus.OK, b"ready") as port:
        assert problem(port) is None


def test_problem_is_what_the_service_reports() -> None:
    with server(HTTPStatus.SERVICE_UNAVAILABLE, b'{"problems": {"nats": "gone"}}') as port:
        assert problem(port) == '{"problems": {"nats": "gone"}}'


def test_service_that_does_not_listen_is_a_problem() -> None:
    with server(HTTPStatus.OK, b"") as port:
        pass
    assert str(problem(port)).startswith(f"/readyz on port {port} does not respond")


def test_command_exits_with_1_and_prints_the_problem() -> None:
    with server(HTTPStatus.SERVICE_UNAVAILABLE, b"gone") as port:
        command = [sys.executable, "-P", "-m", "kleverkit.probe", str(port)]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (1, "gone\n")


def test_probe_imports_the_standard_library_only() -> None:
    code = "import sys, kleverkit.probe; print(*(n for n in sys.modules if n.split('.')[0] in {'aiohttp', 'pydantic'}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
