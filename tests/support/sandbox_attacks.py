"""Attacks of a model by name. `python sandbox_attacks.py NAME FACTS` prints `reached` if one succeeds.

Only the standard library is imported, and FACTS is a JSON object of `support.sandbox.Surroundings`.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
library = ctypes.CDLL(None, use_errno=True)
ATTACKS: dict[str, Callable[[Facts], object]] = {}
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
MSG_FASTOPEN, IPPROTO_MPTCP, AF_VSOCK_ANY = 0x20000000, 262, 0xFFFFFFFF
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
IPC_CREAT = 0o1000


def attack(action: Callable[[Facts], object]) -> Callable[[Facts], object]:
    """Register an attack, which raises if it is refused."""
    ATTACKS[action.__name__] = action
    return action


def checked(result: int) -> int:
    """Return the result of a call of the C library, or raise its error."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@attack
def read_a_secret(facts: Facts) -> object:
    return Path(facts["secret"]).read_text()


@attack
def list_a_directory(facts: Facts) -> object:
    return list(Path(facts["outside"]).iterdir())


@attack
def read_through_a_link_in_its_home(facts: Facts) -> object:
    link = Path(os.environ["HOME"], f"link{os.getpid()}")
    link.symlink_to(facts["secret"])
    return link.read_text()


@attack
def read_through_proc_self_root(facts: Facts) -> object:
    return Path("/proc/self/root" + facts["secret"]).read_text()


@attack
def write_into_a_file(facts: Facts) -> object:
    return Path(facts["secret"]).write_text("changed")


@attack
def truncate_a_file(facts: Facts) -> object:
    os.truncate(facts["secret"], 0)
    return None


@attack
def make_a_file(facts: Facts) -> object:
    return Path(facts["outside"], "made").write_text("x")


@attack
def make_a_directory(facts: Facts) -> object:
    Path(facts["outside"], "made").mkdir()
    return None


@attack
def make_a_link(facts: Facts) -> object:
    Path(facts["outside"], "made").symlink_to("/")
    return None


@attack
def remove_a_file(facts: Facts) -> object:
    Path(facts["secret"]).unlink()
    return None


@attack
def move_a_file_into_its_home(facts: Facts) -> object:
    Path(facts["secret"]).rename(Path(os.environ["HOME"], "moved"))
    return None


@attack
def link_a_file_into_its_home(facts: Facts) -> object:
    os.link(facts["secret"], Path(os.environ["HOME"], "linked"))
    return None


@attack
def write_into_its_model(facts: Facts) -> object:
    return Path(facts["model"], "weights").write_text("changed")


@attack
def write_into_its_environment(_facts: Facts) -> object:
    with Path(os.__file__).open("ab"):
        return None


@attack
def read_another_process_environment(facts: Facts) -> object:
    return Path(f"/proc/{facts['victim']}/environ").read_bytes()


@attack
def read_another_process_command_line(facts: Facts) -> object:
    return Path(f"/proc/{facts['victim']}/cmdline").read_bytes()


@attack
def read_another_process_memory(facts: Facts) -> object:
    with Path(f"/proc/{facts['victim']}/mem").open("rb") as memory:
        memory.seek(facts["address"])
        return memory.read(8)


@attack
def list_the_processes(_facts: Facts) -> object:
    shown = {path.name for path in Path("/proc").iterdir() if path.name.isdigit()}
    if shown <= {str(os.getpid())}:
        raise PermissionError("there are none but this one")
    return shown


@attack
def call_process_vm_readv(facts: Facts) -> object:
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_uint64 * 2)(facts["address"], 8)
    return checked(library.process_vm_readv(facts["victim"], local, 1, remote, 1, 0))


@attack
def attach_as_a_debugger(facts: Facts) -> object:
    checked(library.ptrace(PTRACE_ATTACH, facts["victim"], None, None))
    os.waitpid(facts["victim"], 0x40000000)
    return library.ptrace(PTRACE_DETACH, facts["victim"], None, None)


@attack
def take_a_descriptor_of_another_process(facts: Facts) -> object:
    return checked(library.syscall(438, os.pidfd_open(facts["victim"]), 0, 0))


@attack
def signal_another_process(facts: Facts) -> object:
    os.kill(facts["victim"], signal.SIGCONT)
    return None


@attack
def signal_by_descriptor(facts: Facts) -> object:
    signal.pidfd_send_signal(os.pidfd_open(facts["victim"]), signal.SIGCONT)
    return None


@attack
def limit_another_process(facts: Facts) -> object:
    return resource.prlimit(facts["victim"], resource.RLIMIT_CORE)


@attack
def slow_another_process_down(facts: Facts) -> object:
    os.setpriority(os.PRIO_PROCESS, facts["victim"], 1)
    return None


@attack
def open_shared_memory_of_others(facts: Facts) -> object:
    return Path("/dev/shm", facts["shared"]).read_bytes()  # noqa: S108


@attack
def make_system_v_shared_memory(_facts: Facts) -> object:
    identifier = checked(library.shmget(0, 4096, IPC_CREAT | 0o600))
    return library.shmctl(identifier, 0, None)


@attack
def connect_by_tcp(facts: Facts) -> object:
    return socket.create_connection(("127.0.0.1", facts["tcp"]), timeout=5)


@attack
def connect_by_fast_open(facts: Facts) -> object:
    with socket.socket() as client:
        return client.sendto(b"out", MSG_FASTOPEN, ("127.0.0.1", facts["tcp"]))


@attack
def connect_by_multipath_tcp(facts: Facts) -> object:
    with socket.socket(proto=IPPROTO_MPTCP) as client:
        client.connect(("127.0.0.1", facts["tcp"]))
    return None


@attack
def send_by_udp(facts: Facts) -> object:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        return client.sendto(b"out", ("127.0.0.1", facts["udp"]))


@attack
def connect_to_a_unix_socket(facts: Facts) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(facts["unix"])
    return None


@attack
def connect_to_an_abstract_socket(facts: Facts) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + facts["abstract"])
    return None


@attack
def send_to_a_unix_socket_from_a_pair(facts: Facts) -> object:
    one, _other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.sendto(b"out", facts["log"])


@attack
def open_a_netlink_socket(_facts: Facts) -> object:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@attack
def open_a_raw_socket(_facts: Facts) -> object:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attack
def listen_on_another_port(_facts: Facts) -> object:
    return socket.create_server(("127.0.0.1", 0))


@attack
def make_a_user_namespace(_facts: Facts) -> object:
    return checked(library.unshare(CLONE_NEWUSER))


@attack
def clone_into_a_namespace(_facts: Facts) -> object:
    child = checked(
        library.syscall(56 if os.uname().machine == "x86_64" else 220, CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    )
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)


@attack
def start_a_session(_facts: Facts) -> object:
    if (child := os.fork()) == 0:
        with suppress(OSError):
            os.setsid()
            os._exit(0)
        os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise PermissionError("refused")
    return None


@attack
def set_up_io_uring(_facts: Facts) -> object:
    return checked(library.syscall(425, 1, ctypes.create_string_buffer(120)))


@attack
def have_capabilities_or_gain_some(_facts: Facts) -> object:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    if status["NoNewPrivs"] == "1" and not int(status["CapEff"], 16) and not int(status["CapPrm"], 16):
        raise PermissionError("none")
    return status


@attack
def read_an_inherited_descriptor(facts: Facts) -> object:
    return os.pread(facts["descriptor"], 8, 0)


@attack
def read_a_variable_that_is_not_listed(_facts: Facts) -> object:
    return os.environ["KLEVER_SECRET_OF_A_TEST"]


@attack
def map_memory_of_a_file_that_may_only_be_read(facts: Facts) -> object:
    with Path(facts["model"], "weights").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:1] = b"x"
    return None


if __name__ == "__main__":
    try:
        ATTACKS[sys.argv[1]](json.loads(sys.argv[2]))
    except (OSError, KeyError, ValueError) as error:
        print(f"refused: {type(error).__name__}: {error}")
    else:
        print("reached")
