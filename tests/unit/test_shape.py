"""The limits and rules of CONTRIBUTING.md, checked over every tracked Python file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 300
LONGEST_BODY = 40
HANDLER_STATEMENTS = 5
ALLOWED_LONG_FILES: dict[str, str] = {}
"""Path to the reason why the file may be longer."""

SLEEP = re.compile(r"\b(?:asyncio|time)\.sleep\(")
PATCH = re.compile(r"\b(?:monkeypatch\.setattr|mock\.patch|patch\.object|MagicMock|AsyncMock)\b")
CLAUSE = re.compile(r'"""(?:For how|How|What|When|Where|Whether|Which|Who|Why)\b.*')
SLEEPS_ALLOWED = {
    "tests/bench/cluster_scale.py",
    "tests/bench/model_parsing.py",
    "tests/bench/sandbox_cost.py",
    "tests/bench/serving_figures.py",
    "tests/support/cluster/polling.py",
    "tests/support/waiting.py",
    "tests/support/processes.py",
}


def python_files(*folders: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in listed if name.endswith(".py") and (ROOT / name).exists()]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    documented = ast.get_docstring(function) is not None
    return function.body[1:] if documented and len(function.body) > 1 else function.body


def test_no_source_file_is_too_long() -> None:
    long = {name(path): len(path.read_text().splitlines()) for path in python_files("libs", "services", "tools")}
    assert {
        path: lines for path, lines in long.items() if lines > LONGEST_FILE and path not in ALLOWED_LONG_FILES
    } == {}


def test_no_function_body_is_too_long() -> None:
    long = [
        f"{name(path)}:{function.lineno} {function.name}"
        for path in python_files("libs", "services", "tools")
        for function in functions(path)
        if (body(function)[-1].end_lineno or 0) - body(function)[0].lineno + 1 > LONGEST_BODY
    ]
    assert long == []


def test_message_handlers_only_delegate() -> None:
    handlers = [path for path in python_files("services") if path.name == "handlers.py"]
    assert len(handlers) >= 3
    busy = [
        f"{name(path)}:{function.lineno} {function.name}"
        for path in handlers
        for function in functions(path)
        if function.name.startswith("on_") and len(body(function)) > HANDLER_STATEMENTS
    ]
    assert busy == []


@pytest.mark.parametrize(("pattern", "allowed"), [(SLEEP, SLEEPS_ALLOWED), (PATCH, set())], ids=["sleeps", "patches"])
def test_tests_neither_sleep_nor_patch(pattern: re.Pattern[str], allowed: set[str]) -> None:
    this = name(Path(__file__))
    offenders = [
        name(path)
        for path in python_files("tests")
        if pattern.search(path.read_text()) and name(path) not in {*allowed, this}
    ]
    assert offenders == []


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    files = python_files("libs", "services", "tests", "tools")
    assert {name(path): CLAUSE.findall(path.read_text()) for path in files if CLAUSE.search(path.read_text())} == {}


def test_every_library_sorts_its_public_names() -> None:
    for path in python_files("libs"):
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                public = ast.literal_eval(node.value)
                assert list(public) == sorted(public, key=lambda n: (not n.isupper(), not n[0].isupper(), n)), name(
                    path
                )
