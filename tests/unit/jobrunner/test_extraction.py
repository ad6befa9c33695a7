"""The messages of a job about files that cannot be parsed."""

from pathlib import Path

import pytest

from klever_jobrunner.adapters.parsing import extract
from klever_jobrunner.errors import INVALID_MODEL, UNSUPPORTED_FORMAT, JobError
from modelformats import KNOWN_FORMATS
from support.model_files import write


@pytest.mark.parametrize("name", sorted(KNOWN_FORMATS))
def test_no_message_contains_a_path_of_the_server(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    with pytest.raises(JobError) as failure:
        extract(directory, name)
    assert str(tmp_path) not in failure.value.problem.message


@pytest.mark.parametrize(
    ("content", "code"),
    [("nothing", UNSUPPORTED_FORMAT), ("version https://git-lfs.github.com/spec/v1\n", INVALID_MODEL)],
)
def test_pointer_files_are_not_an_unknown_format(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(JobError) as failure:
        extract(write(tmp_path, "weights", content), None)
    assert failure.value.problem.code == code
