"""All other formats: names and sizes of files, so that models of an unknown kind can be stored."""

import os
from pathlib import Path

from kleverproto.signatures import Signature
from modelformats.errors import InvalidModelError

MOST_FILES = 1000
"""Maximum number of files that are listed; more files are counted."""
OPAQUE = "the format is Others: the content of the files is not known"


class Others:
    """See `modelformats.format.Format`."""

    name = "Others"

    def detect(self, directory: Path) -> bool:
        """Return False: the author chooses this format."""
        del directory
        return False

    def validate(self, directory: Path) -> None:
        """Check for any file."""
        if not any(files for _, _, files in os.walk(directory)):
            raise InvalidModelError("there is no file: add the model's files")

    def extract(self, directory: Path) -> Signature:
        """Return names and sizes of the files."""
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
