"""Loads one pickle per input line and reports its effects. Runs as a process, since it may do harm.

In: a file in base64. Out: JSON with the refusal of a scan, the exception of the load, and the imports and calls.
"""

import base64
import json
import sys
from io import BytesIO
from typing import Any

from modelfiles.unpickling.allowlist import Allowlist
from modelfiles.unpickling.loading import Loader, refusal
from modelfiles.unpickling.reading import examine_whole
from modelfiles.unpickling.streams import StrictStream

HARMFUL = ("os.system", "os.exec", "os.posix_spawn", "os.remove", "subprocess.Popen", "exec", "compile")
"""Audit events that models do not need; Python raises them before the action (PEP 578)."""
events: list[str] = []


def remember(event: str, arguments: tuple[Any, ...]) -> None:
    """Record every event, and block harmful ones."""
    if event == "pickle.find_class":
        events.append(f"{arguments[0]}:{arguments[1]}")
    if event in HARMFUL and not importing():
        events.append(event)
        raise PermissionError(event)


def importing() -> bool:
    """Return whether a module of a listed class is being imported, which compiles and runs it."""
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != "resolve":
        frame = frame.f_back  # type: ignore[assignment] # the last has none
    return frame is not None


def main() -> None:
    """Answer until the input ends."""
    allowed = Allowlist()
    sys.addaudithook(remember)
    for line in sys.stdin:
        content = base64.b64decode(line)
        refused = refusal(examine_whole(BytesIO(content), allowed))
        del events[:]
        try:
            Loader(StrictStream(BytesIO(content)), allowed).load()
            raised = None
        except Exception as error:  # noqa: BLE001 - garbage raises anything
            raised = type(error).__name__
        answer = {"refused": refused, "raised": raised, "events": list(events)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
