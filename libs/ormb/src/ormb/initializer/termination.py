"""The message with which a container ends, in the file from which the kubelet copies it into the pod's status."""

import os
from pathlib import Path

PATH_VARIABLE = "ORMB_TERMINATION_LOG"
"""Environment variable with the container's `terminationMessagePath`, if it is not the usual one."""
USUAL_PATH = "/dev/termination-log"
LIMIT = 4096
"""Bytes that the kubelet reads."""


def report(message: str) -> None:
    """Write a message. No effect outside of Kubernetes, where the kubelet has not created the file."""
    path = Path(os.environ.get(PATH_VARIABLE, USUAL_PATH))
    if not path.is_file():
        return
    content = message.encode()[:LIMIT].decode(errors="ignore")
    try:
        path.write_text(content)
    except OSError:
        return  # the message is on standard error, too, from where the kubelet takes it if the file is empty
