"""The sandbox features of the system, and the consequences of missing ones."""

import os
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from klever.cli.sandbox_output import described, sandbox_lines
from kleversandbox.__main__ import EXIT_NO_SANDBOX, main
from kleversandbox.loading import load_policy
from kleversandbox.policy import Limits, Policy, dump_policy
from kleversandbox.probing import judge
from kleversandbox.support import Confinement, Support


def judged(abi: int, machine: str, *, has_filter: bool) -> Support:
    return Support(*judge(abi, machine, has_filter=has_filter))


COMPLETE = judged(7, "x86_64", has_filter=True)
NOTHING = judged(0, "riscv64", has_filter=False)


@pytest.mark.parametrize(
    ("support", "says"),
    [
        (COMPLETE, []),
        (judged(0, "x86_64", has_filter=True), ["Landlock is not enabled"]),
        (judged(4, "x86_64", has_filter=True), ["Landlock has ABI 4, but 6 is needed"]),
        (judged(7, "riscv64", has_filter=False), ["system calls cannot be filtered here (riscv64"]),
        (NOTHING, ["Landlock is not enabled", "system calls cannot be filtered here"]),
    ],
)
def test_missing_features_are_named(support: Support, says: list[str]) -> None:
    assert len(support.missing) == len(says)
    assert all(missing.startswith(start) for missing, start in zip(support.missing, says, strict=True))
    assert support.is_complete is (says == [])


def test_a_model_that_may_run_code_is_refused_without_a_complete_sandbox_by_default() -> None:
    refused = Confinement(NOTHING).refusal("library/iris:v1") or ""
    assert refused.startswith("library/iris:v1 may run code, and this system cannot confine it: Landlock is not")
    assert "klever up --allow-unsandboxed" in refused
    assert Confinement(NOTHING, allow_unsandboxed=True).refusal("library/iris:v1") is None
    assert Confinement(COMPLETE).refusal("library/iris:v1") is None


def test_active_features_are_described() -> None:
    assert Confinement(COMPLETE).describe("none") == "Landlock ABI 7, seccomp; network: none"
    assert Confinement(NOTHING).describe("egress").startswith("none; network: egress; incomplete: Landlock is not")


@pytest.mark.parametrize(
    ("support", "allowed", "follows"),
    [(COMPLETE, False, "access to nothing else"), (NOTHING, False, "are refused"), (NOTHING, True, "are run anyway")],
)
def test_the_status_describes_the_consequences(support: Support, *, allowed: bool, follows: str) -> None:
    lines = sandbox_lines(described(support, allow_unsandboxed=allowed))
    assert lines[0].startswith(f"sandbox: {support.describe()}; ")
    assert follows in lines[0]
    assert len(lines) == 1 + len(support.missing)


def policy(directory: Path, **changes: object) -> Policy:
    return Policy(("/bin/true",), {"A": "b"}, str(directory))._replace(**changes)  # type: ignore[arg-type]


def test_a_policy_survives_a_round_trip(tmp_path: Path) -> None:
    written = policy(tmp_path, listen=(1, 2), write=("/x",), limits=Limits(cpu_seconds=3), complete=False)
    read = load_policy(dump_policy(written))
    assert {name: getattr(read, name) for name in Policy._fields if name != "limits"} == {
        name: value for name, value in written._asdict().items() if name != "limits"
    }
    assert (read.limits.cpu_seconds, read.limits.memory_bytes, read.has_network) == (3, None, True)


def test_nothing_runs_without_a_complete_sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TemporaryFile() as file:
        file.write(dump_policy(policy(tmp_path)))
        file.flush()
        code = main(_copy(file.fileno()), 0, NOTHING)

    assert code == EXIT_NO_SANDBOX
    warning = capsys.readouterr().err
    assert warning.startswith("klever: /bin/true is not run, since it cannot be confined: Landlock is not enabled")
    assert warning.count("\n") == 1


def _copy(descriptor: int) -> int:
    """Copy the descriptors, because the launcher closes them after reading."""
    return os.dup(descriptor)
