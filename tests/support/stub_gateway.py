"""A stub of the gateway, in a thread of the test."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API = "/api/v1alpha1"


class InTurn(list[Any]):
    """Gives one answer after the other. The last one is repeated."""

    def next(self) -> Any:
        return self.pop(0) if len(self) > 1 else self[0]


@contextmanager
def stub_gateway(answers: Mapping[str, Any]) -> Iterator[str]:
    """The URL of a gateway that answers these paths, below the API's, with JSON or text, and others with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0].removeprefix(API))
            answer = answer.next() if isinstance(answer, InTurn) else answer
            if answer is None:
                self.answer(
                    404, "application/problem+json", json.dumps({"detail": "there is none", "code": "not_found"})
                )
            elif isinstance(answer, str):
                self.answer(200, "text/plain", answer)
            else:
                self.answer(200, "application/json", json.dumps(answer))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_POST()

        def answer(self, status: int, media_type: str, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
