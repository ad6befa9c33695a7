"""The SDK with and without async, and its choice of a platform."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ormb
from klever import Klever, KleverClient
from klever.errors import InputError, PlatformError
from klever.platform.plan import Urls
from klever.platform.state import PlatformState, Running
from ormb import OrmbClient


def public(owner: Any, kind: Callable[[Any], bool]) -> dict[str, Any]:
    return {name: each for name, each in inspect.getmembers(owner, kind) if not name.startswith("_")}


def is_async(member: Any) -> bool:
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)


def test_the_synchronous_class_has_everything_with_the_same_arguments() -> None:
    asynchronous, synchronous = public(KleverClient, is_async), public(Klever, inspect.isfunction)
    assert set(synchronous) == set(asynchronous)
    assert {name: inspect.signature(each) for name, each in synchronous.items()} == {
        name: inspect.signature(each) for name, each in asynchronous.items()
    }
    assert [name for name, each in synchronous.items() if is_async(each)] == []


def test_functions_of_ormb_have_the_names_of_its_clients_methods() -> None:
    def arguments(function: Any) -> list[str]:
        return [name for name in inspect.signature(function).parameters if name not in {"self", "progress"}]

    methods = public(OrmbClient, inspect.iscoroutinefunction)
    assert {name: arguments(getattr(ormb, name)) for name in methods} == {
        name: arguments(method) for name, method in methods.items()
    }


def test_the_server_is_the_given_one_or_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_SERVER", "http://gateway.example:8080")
    assert Klever().server == "http://gateway.example:8080"
    assert KleverClient("https://other.example/").server == "https://other.example"


def test_the_default_server_is_the_platform_of_this_home_at_any_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KLEVER_SERVER", raising=False)
    monkeypatch.setenv("KLEVER_HOME", str(tmp_path))
    with pytest.raises(PlatformError, match=f"no platform runs with {tmp_path}"):
        Klever()
    (tmp_path / "run").mkdir()
    urls = Urls(api="http://127.0.0.1:41234", registry="", ingress="", nats="")
    PlatformState(Running.from_pid(os.getpid()), urls, {}, ready=True).write(tmp_path / "run" / "platform.json")
    assert Klever().server == "http://127.0.0.1:41234"


@pytest.mark.parametrize("server", ["localhost:8080", "ftp://localhost:8080"])
def test_a_server_without_a_scheme_is_refused_with_the_syntax(server: str) -> None:
    with pytest.raises(InputError, match="write http://localhost:8080"):
        Klever(server)


def test_everything_public_of_ormb_can_be_imported() -> None:
    assert [name for name in ormb.__all__ if not hasattr(ormb, name)] == []
