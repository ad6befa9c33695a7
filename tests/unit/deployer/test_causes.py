"""The reason for a model server's exit, from the last lines of its log."""

import pytest

from klever_deployer.domain.causes import explain_exit

TRACEBACK = ["Traceback (most recent call last):", '  File "serve.py", line 3, in <module>', "    load()"]
STARTED = '{"timestamp":"t","level":"info","event":"Started server process [1]"}'
FAILED = '{"timestamp":"t","level":"error","event":"GET / failed","exception":["ValueError"]}'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [STARTED, "kleverserve: cannot load the model: no file"],
            f"cannot load the model: no file; its log ends with: {STARTED}",
        ),
        (["kleverserve: cannot load the model: no file"] * 3, "cannot load the model: no file"),
        (["kleverserve: a", "noise"], "a; its log ends with: noise"),
        (
            ["klever: ended: it used 7 bytes of memory, its limit is 5"],
            "ended: it used 7 bytes of memory, its limit is 5",
        ),
        (
            [*TRACEBACK, "ModuleNotFoundError: No module named 'torch'", "bye"],
            "ModuleNotFoundError: No module named 'torch'; its log ends with: ",
        ),
        ([*TRACEBACK, "pkg.errors.LoadError: no"], "pkg.errors.LoadError: no; its log ends with: Traceback"),
        ([FAILED, STARTED], f"GET / failed; its log ends with: {STARTED}"),
        (["sh: 1: serve: not found"], "its log ends with: sh: 1: serve: not found"),
        (["loading", "listening"], "its log ends with: loading | listening"),
        (["{not json", '["a"]'], 'its log ends with: {not json | ["a"]'),
        (["", "  "], "its log is empty"),
        ([], "its log is empty"),
    ],
)
def test_the_cause_precedes_the_log(lines: list[str], expected: str) -> None:
    assert explain_exit(lines).startswith(expected)


def test_the_cause_is_found_before_the_log_is_cut_to_its_last_lines() -> None:
    noise = [f"line {number}" for number in range(20)]
    assert explain_exit(["kleverserve: why", *noise]) == f"why; its log ends with: {' | '.join(noise[-5:])}"
