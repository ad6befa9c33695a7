"""Programs in the sandbox, and their surroundings as targets of attacks."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from kleversandbox.policy import Policy
from kleversandbox.starting import starting
from kleversandbox.system_paths import READABLE, SYSTEM, interpreter_paths

ATTACKS_FILE = Path(__file__).with_name("sandbox_attacks.py")
SECRET = "a secret of somebody else"
VICTIM = """
import ctypes, sys
text = ctypes.create_string_buffer(b"a secret in memory")
print(ctypes.addressof(text), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Surroundings:
    """The things that a program can, or must not, reach on the machine."""

    secret: str
    """A file beside the home."""
    outside: str
    """The directory of the secret."""
    model: str
    victim: int
    """Another process of the same user."""
    address: int
    """The address of a secret in its memory."""
    shared: str
    """The name of its shared memory."""
    tcp: int
    udp: int
    unix: str
    log: str
    """A UNIX socket that receives datagrams."""
    abstract: str
    descriptor: int


@dataclass(frozen=True)
class Sandboxed:
    """Runs programs with a policy."""

    home: Path
    surroundings: Surroundings
    policy: Policy

    def attack(self, name: str) -> str:
        """Return the result of an attack from inside the sandbox."""
        return self.run(str(ATTACKS_FILE), name, json.dumps(asdict(self.surroundings))).stdout

    def attack_unconfined(self, name: str) -> str:
        """Return the result of an attack from outside."""
        command = (sys.executable, str(ATTACKS_FILE), name, json.dumps(asdict(self.surroundings)))
        environment = self.policy.environment | {"KLEVER_SECRET_OF_A_TEST": SECRET}
        descriptors = (self.surroundings.descriptor,)
        return subprocess.run(
            command, env=environment, pass_fds=descriptors, cwd=self.home, capture_output=True, text=True, check=False
        ).stdout

    def run(self, *arguments: str, **changes: object) -> "subprocess.CompletedProcess[str]":
        """Run this Python code with these arguments; `changes` are fields of the policy."""
        policy = self.policy._replace(command=(sys.executable, *arguments))._replace(**changes)  # type: ignore[arg-type]
        with starting(policy, os.environ | {"KLEVER_SECRET_OF_A_TEST": SECRET}) as start:
            return subprocess.run(
                start.command,
                env=start.environment,
                pass_fds=(*start.descriptors, self.surroundings.descriptor),
                capture_output=True,
                text=True,
                check=False,
            )

    def allowing(self, **changes: object) -> "Sandboxed":
        """The same sandbox with another policy."""
        return replace(self, policy=self.policy._replace(**changes))  # type: ignore[arg-type]


@contextmanager
def sandboxed(directory: Path) -> Iterator[Sandboxed]:
    """A sandbox with a home and a model below the directory, and targets of attacks around it."""
    home, model, outside = directory / "home", directory / "model", directory / "outside"
    for each in (home, model, outside):
        each.mkdir()
    (model / "weights").write_text("weights")
    with _surroundings(model, outside) as surroundings:
        yield Sandboxed(home, surroundings, _policy(home, model))


def _policy(home: Path, model: Path) -> Policy:
    environment = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"]}
    return Policy(
        command=(),
        environment=environment,
        directory=str(home),
        execute=(*SYSTEM, *interpreter_paths(Path(sys.executable))),
        read=(*READABLE, str(model), str(ATTACKS_FILE)),
        write=(str(home),),
    )


@contextmanager
def _surroundings(model: Path, outside: Path) -> Iterator[Surroundings]:
    secret, unix, log = outside / "secret", outside / "unix", outside / "log"
    secret.write_text(SECRET)
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sockets = [_bound(stack, *kind) for kind in _kinds(unix, log)]
        shared = Path("/dev/shm", f"klever-test-{uuid4().hex}")  # noqa: S108
        shared.write_text(SECRET)
        stack.callback(shared.unlink)
        victim, address = stack.enter_context(_victim())
        yield Surroundings(
            secret=str(secret),
            outside=str(outside),
            model=str(model),
            victim=victim,
            address=address,
            shared=shared.name,
            tcp=tcp.getsockname()[1],
            udp=sockets[0].getsockname()[1],
            unix=str(unix),
            log=str(log),
            abstract=sockets[3].getsockname()[1:].decode(),
            descriptor=stack.enter_context(secret.open("rb")).fileno(),
        )


def _kinds(unix: Path, log: Path) -> tuple[tuple[int, int, object], ...]:
    return (
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        (socket.AF_UNIX, socket.SOCK_STREAM, str(unix)),
        (socket.AF_UNIX, socket.SOCK_DGRAM, str(log)),
        (socket.AF_UNIX, socket.SOCK_STREAM, f"\0klever-test-{uuid4().hex}"),
    )


def _bound(stack: ExitStack, family: int, kind: int, address: object) -> socket.socket:
    made = stack.enter_context(socket.socket(family, kind))
    made.bind(address)  # type: ignore[arg-type]
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


@contextmanager
def _victim() -> Iterator[tuple[int, int]]:
    environment: Mapping[str, str] = {"SECRET": SECRET}
    with subprocess.Popen(
        (sys.executable, "-c", VICTIM), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()
