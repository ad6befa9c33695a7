"""Each problem code is spelled once, in kleverproto.codes, with the services that report it and its HTTP status."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from klever_gateway import errors as gateway_errors
from kleverkit.errors import KleverError, NotFoundError, TooLargeError, TransientError
from kleverproto import codes
from kleverproto.codes import CODES

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "libs/kleverproto/src/kleverproto/codes.py"
PROGRAMS = ROOT / "libs/modelconversion/src/modelconversion/programs"
"""Programs that run in the environments of toolchains, which have only the standard library."""
WORDS = {"internal", "unavailable", "invalid", "not_found", "conflict", "storage"}
"""Codes that are also words of other vocabularies. They are allowed in code that cannot mean the code."""
SHARED = ("kleverkit", "kleverproto", "modelconversion", "modelformats", "ormb")
CONSTANTS = {
    name: value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str) and value in CODES
}
SOURCES = [path for folder in ("libs", "services") for path in (ROOT / folder).glob("*/src/**/*.py")]


def member(path: Path) -> str:
    return path.relative_to(ROOT).parts[1]


def spelled(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {str(node.value) for node in nodes if isinstance(node, ast.Constant) and node.value in CODES}


def reported(path: Path) -> Iterator[str]:
    """The constants that a module uses, except in comparisons."""
    tree = ast.parse(path.read_text())
    compared = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in ast.walk(node)}
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in CONSTANTS and id(node) not in compared:
            yield CONSTANTS[name]


REPORTED = {
    name: {code for path in SOURCES if member(path) == name and path != TABLE for code in reported(path)}
    for name in {member(path) for path in SOURCES}
}


def test_no_code_is_spelled_outside_the_table() -> None:
    elsewhere = {
        f"{path.relative_to(ROOT)}: {', '.join(sorted(literals))}"
        for path in SOURCES
        if path not in {TABLE, PROGRAMS / "program.py"} and (literals := spelled(path) - WORDS)
    }
    assert elsewhere == set()


def test_no_error_or_problem_is_made_with_a_literal_code() -> None:
    literal = [
        f"{path.relative_to(ROOT)}:{node.value.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
    ]
    assert literal == []


def test_the_programs_of_toolchains_define_no_codes() -> None:
    assert spelled(PROGRAMS / "program.py") == {
        codes.INVALID_MODEL,
        codes.INPUT_SHAPE_NEEDED,
        codes.TOOLCHAIN_FAILED,
        codes.UNSUPPORTED_OPERATOR,
    }


@pytest.mark.parametrize("service", ["registry", "jobrunner", "deployer", "gateway"])
def test_a_service_reports_only_codes_that_the_table_lists_for_it(service: str) -> None:
    assert REPORTED[service] - {code for code, each in CODES.items() if service in each.services} == set()


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_reported_by_the_services_of_the_table(code: str) -> None:
    shared = {each for name in SHARED for each in REPORTED[name]}
    missing = [service for service in CODES[code].services if code not in REPORTED[service] | shared]
    assert missing == []


def test_a_code_is_defined_once() -> None:
    with pytest.raises(ValueError, match="the code invalid_model is defined twice"):
        codes._code("invalid_model", "Again.", "gateway")


def test_the_gateway_answers_with_the_status_of_the_table() -> None:
    from klever_gateway.routes.common.problems import HTTP_CODES, problem_of  # noqa: PLC0415 - it moves with the gateway's rooms

    own = [kind for kind in vars(gateway_errors).values() if isinstance(kind, type) and issubclass(kind, KleverError)]
    shared: list[type[KleverError]] = [NotFoundError, TooLargeError, TransientError]
    for kind in [*own, *shared]:
        details = problem_of(kind("why"))
        if details is not None:
            assert details.status == CODES[details.code].status, kind
    for status, code in HTTP_CODES.items():
        assert CODES[code].status == status


def test_every_code_of_the_http_api_belongs_to_the_gateway() -> None:
    assert [each.code for each in CODES.values() if each.status and "gateway" not in each.services] == []
