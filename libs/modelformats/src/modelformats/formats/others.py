"""Anything else: which files there are and how large, so that a model of an unknown kind can be kept too."""

import os
from pathlib import Path

from kleverproto.signatures import Signature
from modelformats.errors import InvalidModelError

MOST_FILES = 1000
"""Files that are listed; more are counted."""
OPAQUE = "the format is Others: nothing is known of what is in the files"


class Others:
    """See `modelformats.format.Format`."""

    name = "Others"

    def detect(self, directory: Path) -> bool:
        """Never: it is chosen by the author, not found."""
        del directory
        return False

    def validate(self, directory: Path) -> None:
        """Some file."""
        if not any(files for _, _, files in os.walk(directory)):
            raise InvalidModelError("there is no file: add the model's files")

    def extract(self, directory: Path) -> Signature:
        """Names and sizes of the files."""
        self.validate(directory)
        count, size, listed = 0, 0, dict[str, int]()
        for folder, inner, names in os.walk(directory):
            inner.sort()
            for path in (Path(folder, name) for name in sorted(names)):
                bytes_ = path.lstat().st_size
                count, size = count + 1, size + bytes_
                if len(listed) < MOST_FILES:
                    listed[path.relative_to(directory).as_posix().encode(errors="replace").decode()] = bytes_
        return Signature(
            details={"files": listed, "file_count": count, "total_size": size},
            unknown=dict.fromkeys(("inputs", "outputs", "operators", "parameters", "framework"), OPAQUE),
        )


OTHERS = Others()
