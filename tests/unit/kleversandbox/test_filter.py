"""The filter of system calls, run as the kernel runs it, for every supported machine."""

import errno
import struct
from collections.abc import Sequence

import pytest

from kleversandbox.policy import Policy
from kleversandbox.seccomp import ABSENT, ALLOW, ERROR, IGNORED, KILL, REFUSED, compile_filter
from kleversandbox.system_calls import AUDIT_ARCHITECTURES, FIRST_UNKNOWN, numbers

NO_NETWORK = Policy(("x",), {}, "/")
SERVER = NO_NETWORK._replace(listen=(80,))
PROXY = NO_NETWORK._replace(listen=(80,), connect=(81,))
EGRESS = NO_NETWORK._replace(egress=True)
INET, STREAM, DATAGRAM, RAW, CLOEXEC = 2, 1, 2, 3, 0o2000000


@pytest.fixture(params=list(AUDIT_ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def answer(policy: Policy, machine: str, name: str, *arguments: int) -> int:
    """Return the filter's decision about a call."""
    return run(compile_filter(policy, machine), AUDIT_ARCHITECTURES[machine], numbers(machine)[name], arguments)


def run(program: bytes, architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Run classic BPF, as far as the filter uses it."""
    padded = (*arguments, *([0] * 6))[:6]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("<HBBI", program))
    place, loaded = 0, 0
    while True:
        code, when_true, when_false, value = instructions[place]
        place += 1
        match code:
            case 0x20:
                loaded = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                loaded &= value
            case 0x06:
                return int(value)
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
                place += when_true if holds else when_false
            case _:
                raise AssertionError(f"the filter has an instruction {code:#x}")


def test_calls_of_another_architecture_kill_the_process(machine: str) -> None:
    assert run(compile_filter(SERVER, machine), 0x40000003, 11) == KILL


def test_unknown_calls_are_reported_as_unsupported(machine: str) -> None:
    for number in (FIRST_UNKNOWN, 0x40000000 + 41):  # the second one is the number of socket(2) on x32
        decisions = run(compile_filter(SERVER, machine), AUDIT_ARCHITECTURES[machine], number)
        assert decisions == ERROR | errno.ENOSYS


@pytest.mark.parametrize(("names", "expected"), [(ABSENT, errno.ENOSYS), (REFUSED, errno.EPERM), (IGNORED, 0)])
def test_every_listed_call_has_its_answer(machine: str, names: str, expected: int) -> None:
    known = [name for name in names.split() if name in numbers(machine)]
    assert known
    assert {answer(EGRESS, machine, name) for name in known} == {ERROR | expected}


def test_every_listed_name_is_a_call_of_some_machine() -> None:
    known = {name for machine in AUDIT_ARCHITECTURES for name in numbers(machine)}
    assert set(f"{ABSENT} {REFUSED} {IGNORED}".split()) <= known


@pytest.mark.parametrize(
    ("policy", "socket", "connect"),
    [(NO_NETWORK, False, False), (SERVER, True, False), (PROXY, True, True), (EGRESS, True, True)],
)
def test_the_policy_decides_which_sockets_are_allowed(
    machine: str, policy: Policy, *, socket: bool, connect: bool
) -> None:
    opened = answer(policy, machine, "socket", INET, STREAM | CLOEXEC, 0)
    assert (opened == ALLOW) is socket
    if socket:
        assert (answer(policy, machine, "connect") == ALLOW) is connect
    assert (answer(policy, machine, "socket", INET, DATAGRAM, 0) == ALLOW) is policy.egress


@pytest.mark.parametrize(
    "arguments",
    [
        *(pytest.param((family, STREAM, 0), id=f"family {family}") for family in (1, 16, 17, 38, 40, 43, 44)),
        pytest.param((INET, RAW, 1), id="raw"),
        pytest.param((INET, STREAM, 262), id="MPTCP"),
        pytest.param((INET, STREAM, 256), id="SMC"),
        pytest.param((INET, STREAM, 132), id="SCTP"),
        pytest.param((INET, DATAGRAM, 1), id="ping"),
    ],
)
def test_other_sockets_are_refused_whatever_the_policy(machine: str, arguments: tuple[int, int, int]) -> None:
    for policy in (NO_NETWORK, SERVER, PROXY, EGRESS):
        assert answer(policy, machine, "socket", *arguments) == ERROR | errno.EACCES


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((0, 8, 0), errno.EPERM), ((0, 8, 8), 0), ((0, 8, 1 << 32), 0), ((3, 0, 0), 0), ((3, 1 << 32, 0), errno.EPERM)],
    ids=["path now", "path then", "path then, high", "descriptor now", "high path now"],
)
def test_setting_times_is_refused(machine: str, arguments: tuple[int, int, int], expected: int) -> None:
    assert answer(SERVER, machine, "utimensat", *arguments) == ERROR | expected


def test_arguments_are_checked(machine: str) -> None:
    fast_open, new_user, child_settid = 0x20000000, 0x10000000, 0x01000000
    cases = [
        ("sendto", (3, 0, 0, fast_open), False),
        ("sendto", (3, 0, 0, 0), True),
        ("sendmsg", (3, 0, fast_open), False),
        ("sendmmsg", (3, 0, 0, fast_open), False),
        ("clone", (new_user,), False),
        ("clone", (child_settid,), True),
        ("prlimit64", (0,), True),
        ("prlimit64", (1,), False),
        ("ioctl", (0, 0x5412), False),
        ("ioctl", (0, 0x5413), True),
        ("socketpair", (1, STREAM | CLOEXEC, 0), True),
        ("socketpair", (1, DATAGRAM, 0), False),
    ]
    decisions = [answer(EGRESS, machine, name, *arguments) == ALLOW for name, arguments, _ in cases]
    assert decisions == [allowed for _, _, allowed in cases]


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(KeyError):
        compile_filter(SERVER, "riscv64")
