"""Regular expressions on untrusted text: twice the text takes at most about twice the work."""

import shutil
import zipfile
from pathlib import Path

import pytest

from modelformats import extract_signature
from modelformats.bounded_json import MOST_DEPTH, load_json
from ormb.adapters.api import LINK
from ormb.adapters.challenges import LONGEST_LINE, MOST_LINES, Challenge, parse_challenges
from support.growth import growth
from support.model_files import DATA

TIMES = 4
LINEAR = TIMES * 2
"""The largest allowed growth; quadratic growth would be 16."""
FUNCTION = b"  def forward(self: __torch__.Net,\n"


def script(directory: Path, functions: int) -> Path:
    """A TorchScript archive with this many functions that never end."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    with (
        zipfile.ZipFile(DATA / "torchscript/traced.pt") as source,
        zipfile.ZipFile(directory / "model.pt", "w") as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("code/__torch__.py"):
                content = b"class Net(Module):\n" + FUNCTION * functions
            target.writestr(name, content)
    return directory


def test_functions_of_torchscript_are_searched_in_linear_time(tmp_path: Path) -> None:
    directories = {count: script(tmp_path / str(count), count) for count in (500, 500 * TIMES)}
    assert growth(lambda count: extract_signature("TorchScript", directories[count]), 500, TIMES) < LINEAR


@pytest.mark.parametrize("text", ["<", "<a>;", "<a>; rel,", "<a> "])
def test_the_links_of_a_registry_are_parsed_in_linear_time(text: str) -> None:
    assert growth(lambda size: sum(1 for _ in LINK.finditer(text * size)), 20_000, TIMES) < LINEAR


@pytest.mark.parametrize("text", ['"', '\\"', '["', '"\\'])
def test_the_depth_of_json_is_measured_in_linear_time(text: str) -> None:
    def load(size: int) -> None:
        with pytest.raises(ValueError, match=r"."):
            load_json("[" * (MOST_DEPTH + 1) + text * size)

    assert growth(load, 50_000, TIMES) < LINEAR


def test_excess_and_malformed_challenges_are_ignored() -> None:
    hostile = 'Basic realm="' + '\\"' * LONGEST_LINE
    assert parse_challenges([hostile] * 1000 + ['Basic realm="r"']) == [Challenge("basic", {"realm": "r"})]
    assert len(parse_challenges(["Basic"] * 1000)) == MOST_LINES
