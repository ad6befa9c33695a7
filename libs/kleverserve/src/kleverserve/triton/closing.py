"""Disables Triton's management APIs on its own ports, to which any process of the machine can connect.

Triton responds to restricted APIs only if a request has a header with a given value. Arguments of a process can be read
by everybody, so that no value in them is secret. Here the value is longer than all headers of a request may be (8 KiB
in HTTP, 16 KiB in gRPC), so that it cannot be sent.
"""

MANAGEMENT = ("model-repository", "shared-memory", "trace", "logging")
"""Triton's names of these APIs, without those that clients of a model may use."""
UNSENDABLE = "0" * 64 * 1024
_SETTING = f"{','.join(MANAGEMENT)}:klever-closed={UNSENDABLE}"
CLOSED = (f"--http-restricted-api={_SETTING}", f"--grpc-restricted-protocol={_SETTING}")
"""The arguments for Triton."""
