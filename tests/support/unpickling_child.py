"""Loads the pickles that come in by the line, and says what each did: run as a process, since it may do harm.

In: the file in base64. Out: JSON with what a scan refused, what loading raised, and what was imported or run.
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
"""What models have no need of; Python reports it before it happens (PEP 578)."""
events: list[str] = []


def remember(event: str, arguments: tuple[Any, ...]) -> None:
    """Write down what is named, and forbid what is harmful."""
    if event == "pickle.find_class":
        events.append(f"{arguments[0]}:{arguments[1]}")
    if event in HARMFUL and not importing():
        events.append(event)
        raise PermissionError(event)


def importing() -> bool:
    """Whether a module of a listed class is being imported, which compiles and runs it."""
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
