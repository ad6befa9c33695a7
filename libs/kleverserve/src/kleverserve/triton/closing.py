"""Triton's management, closed to everybody on its own ports, which any process of the machine can connect to.

Triton answers restricted APIs only to requests with a header of a given value. Arguments of a process can be read by
everybody, so that no value in them is a secret: here the value is longer than all headers of a request may be
(8 KiB of HTTP, 16 KiB of gRPC), and cannot be sent.
"""

MANAGEMENT = ("model-repository", "shared-memory", "trace", "logging")
"""The names of these APIs, as Triton calls them. Not among them are those that clients of a model may use."""
UNSENDABLE = "0" * 64 * 1024
_SETTING = f"{','.join(MANAGEMENT)}:klever-closed={UNSENDABLE}"
CLOSED = (f"--http-restricted-api={_SETTING}", f"--grpc-restricted-protocol={_SETTING}")
"""Arguments of Triton."""
