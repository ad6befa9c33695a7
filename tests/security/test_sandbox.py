"""The sandbox: operations refused inside and possible outside, permitted operations, and its closed failures."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kleversandbox.__main__ import EXIT_CANNOT_RUN, EXIT_NO_PROGRAM, EXIT_NO_SANDBOX
from kleversandbox.policy import Limits, Policy
from kleversandbox.starting import starting
from support.sandbox import Sandboxed, sandboxed
from support.sandbox_attacks import ATTACKS

RESTRICTED_SIXTEEN_TIMES = """
import os, sys
from kleversandbox.landlock import Ruleset, abi_version, file_rights
from kleversandbox.privileges import no_new_privileges
no_new_privileges()
for _ in range(16):
    ruleset = Ruleset(abi_version(), limits_connections=False)
    ruleset.allow_path("/", file_rights(abi_version()))
    ruleset.enforce()
os.execv(sys.argv[1], sys.argv[1:-1] + [str(os.getppid())])
"""

SERVER = """
import socket
server = socket.create_server(("127.0.0.1", {port}))
print(1, flush=True)
server.accept()[0].send(b"x")
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandboxed]:
    with sandboxed(tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", ATTACKS)
def test_forbidden_operations_are_refused(sandbox: Sandboxed, name: str) -> None:
    assert sandbox.attack(name).startswith("refused")
    assert sandbox.attack_unconfined(name) == "reached\n"


@pytest.mark.parametrize(
    "change", ["os.chmod(path, 0o777)", "os.utime(path, (1, 1))", "os.setxattr(path, 'user.x', b'x')"]
)
def test_modes_times_and_attributes_of_outside_files_cannot_be_changed(sandbox: Sandboxed, change: str) -> None:
    path = Path(sandbox.surroundings.secret)
    before = _facts(path)

    assert sandbox.run("-c", f"import os; path = {str(path)!r}; {change}").returncode == 0
    assert _facts(path) == before

    exec(change, {"os": os, "path": str(path)})  # noqa: S102 - the same outside, where it works
    assert _facts(path) != before


def _facts(path: Path) -> tuple[object, ...]:
    status = path.stat()
    return status.st_mode, status.st_mtime, os.listxattr(path)


ALLOWED = {
    "read its model": "open(os.environ['MODEL'] + '/weights').read()",
    "write into its home": "open(os.environ['HOME'] + '/x', 'w').write('x'); os.rename('x', 'y'); os.remove('y')",
    "touch files": "import pathlib; pathlib.Path('t').touch(); pathlib.Path('t').touch(); pathlib.Path('t').unlink()",
    "make temporary files": "import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
    "copy files with their modes": "import shutil; shutil.copy2(os.environ['MODEL'] + '/weights', 'copy')",
    "touch files by a program": "import subprocess; subprocess.run(['touch', 'u'], check=True); os.remove('u')",
    "run programs of the system": "import subprocess; subprocess.run(['ls', '/usr'], check=True)",
    "run its own interpreter": "import subprocess; subprocess.run([sys.executable, '-c', 'import json'], check=True)",
    "start threads": "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "talk to its own processes": "import socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1)",
    "signal its own processes": "import subprocess; p = subprocess.Popen(['sleep', '60']); p.kill(); p.wait()",
    "learn about the machine": "[open(f'/proc/{name}').read() for name in ('cpuinfo', 'meminfo', 'self/status')]",
    "learn about its own memory": "open('/proc/self/maps').read()",
    "discard and draw bytes": "open('/dev/null', 'w').write('x'); open('/dev/urandom', 'rb').read(1)",
}


@pytest.mark.parametrize("name", ALLOWED)
def test_operations_that_a_model_needs_are_allowed(sandbox: Sandboxed, name: str) -> None:
    environment = sandbox.policy.environment | {"MODEL": sandbox.surroundings.model}

    done = sandbox.run("-c", f"import os, sys\n{ALLOWED[name]}", environment=environment)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_is_reachable_on_its_port(sandbox: Sandboxed) -> None:
    with _free_port() as port:
        pass
    with starting(_with_code(sandbox, SERVER.format(port=port), listen=(port,)), os.environ) as start:
        server = subprocess.Popen(start.command, pass_fds=start.descriptors, stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server, server.stdout:
        assert server.stdout.readline() == b"1\n"
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.recv(1) == b"x"


@pytest.mark.parametrize(
    "name",
    [name for name in ATTACKS if name.startswith(("connect_", "send_", "open_a", "listen_"))],
)
def test_a_server_reaches_nothing_else(sandbox: Sandboxed, name: str) -> None:
    with _free_port() as port:
        assert sandbox.allowing(listen=(port,)).attack(name).startswith("refused")


def test_a_server_with_egress_reaches_other_machines_and_no_unix_sockets(sandbox: Sandboxed) -> None:
    with _free_port() as port:
        allowed = sandbox.allowing(listen=(port,), egress=True)
        by_internet = [allowed.attack(name) for name in ("connect_by_tcp", "send_by_udp")]
        by_other_means = [name for name in ATTACKS if name.startswith(("connect_to_", "send_to", "open_a", "listen_"))]
        others = [allowed.attack(name) for name in by_other_means]

    assert by_internet == ["reached\n"] * 2
    assert all(each.startswith("refused") for each in others)


def test_a_program_may_connect_to_its_permitted_ports(sandbox: Sandboxed) -> None:
    allowed = sandbox.allowing(connect=(sandbox.surroundings.tcp,))

    assert allowed.attack("connect_by_tcp") == "reached\n"
    assert allowed.attack("connect_by_fast_open").startswith("refused")
    assert sandbox.allowing(connect=(1,)).attack("connect_by_tcp").startswith("refused")


def test_only_the_listed_variables_reach_the_program(sandbox: Sandboxed) -> None:
    done = sandbox.run("-c", "import os; print(sorted(os.environ))", environment={"A": "b"})

    assert done.stdout == "['A', 'LC_CTYPE']\n"  # the second one is Python's own


def test_a_variable_of_the_program_does_not_reach_the_launcher(sandbox: Sandboxed) -> None:
    """A variable of the program could make the dynamic linker load a library of the model into the launcher."""
    directory = Path(sandbox.surroundings.outside)
    tricks = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(directory / "linker")}

    sandbox.run("-c", "", environment=sandbox.policy.environment | tricks)
    assert list(directory.glob("linker*")) == []

    subprocess.run((sys.executable, "-c", ""), env=tricks, check=True)
    assert list(directory.glob("linker*")) != []


def test_child_processes_end_with_the_parent_of_their_program(sandbox: Sandboxed) -> None:
    policy = sandbox.policy._replace(command=(sys.executable, "-c", ""), dies_with_parent=True)
    with starting(policy, os.environ) as start:
        another = (*start.command[:-1], "1")
        done = subprocess.run(another, pass_fds=start.descriptors, capture_output=True, text=True, check=False)

    assert done.returncode == EXIT_NO_SANDBOX
    assert "has ended" in done.stderr


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(memory_bytes=2**28), "bytes(2**29)"),
        (Limits(address_bytes=2**28), "bytes(2**29)"),
        (Limits(file_bytes=2**10), "open('x', 'wb').truncate(2**11)"),
        (Limits(cpu_seconds=1), "while True: pass"),
    ],
)
def test_the_resources_of_a_program_are_limited(sandbox: Sandboxed, limits: Limits, code: str) -> None:
    assert sandbox.run("-c", code, limits=limits).returncode != 0
    assert sandbox.run("-c", "pass", limits=limits).returncode == 0


def test_a_program_that_cannot_be_confined_does_not_run(sandbox: Sandboxed) -> None:
    """Linux allows a process sixteen restrictions, so the launcher's own restriction fails."""
    with starting(_with_code(sandbox, "print('ran')"), os.environ) as start:
        restricted = (sys.executable, "-c", RESTRICTED_SIXTEEN_TIMES, *start.command)
        done = subprocess.run(restricted, pass_fds=start.descriptors, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (EXIT_NO_SANDBOX, "")
    assert done.stderr.startswith(f"klever: {sys.executable} is not run, since it cannot be confined: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("program", "code"), [("no-such-program", EXIT_NO_PROGRAM), ("/etc/hosts", EXIT_CANNOT_RUN)])
def test_a_program_that_cannot_run_is_named(sandbox: Sandboxed, program: str, code: int) -> None:
    with starting(sandbox.policy._replace(command=(program,)), os.environ) as start:
        done = subprocess.run(start.command, pass_fds=start.descriptors, capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert done.stderr.startswith(f"klever: {program} cannot be run: ")
    assert done.stderr.count("\n") == 1


def _with_code(sandbox: Sandboxed, code: str, **changes: object) -> Policy:
    return sandbox.policy._replace(command=(sys.executable, "-c", code))._replace(**changes)  # type: ignore[arg-type]


@contextmanager
def _free_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


def test_a_program_with_its_own_proc_reads_only_its_own_processes(
    sandbox: Sandboxed,
) -> None:
    """threadpoolctl, and so scikit-learn, reads /proc/self/maps."""
    code = "import subprocess, sys; sys.exit(subprocess.call(['cat', '/proc/self/maps'], stdout=subprocess.DEVNULL))"
    if os.geteuid() != 0:
        pytest.skip("only root can mount a /proc")

    assert sandbox.run("-c", code).returncode == 0
    assert sandbox.attack("read_another_process_command_line").startswith("refused")


def test_a_program_without_its_own_proc_reads_other_processes_only_by_permission(sandbox: Sandboxed) -> None:
    needing = sandbox.allowing(needs_processes=True)

    assert needing.run("-c", "open('/proc/self/maps').read()").returncode == 0
    for attack in ("read_another_process_environment", "read_another_process_memory", "list_the_processes"):
        assert needing.attack(attack).startswith("refused")
