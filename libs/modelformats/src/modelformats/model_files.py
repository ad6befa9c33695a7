"""Returns the files of a model as its parser selects them, for programs that load or convert it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from modelfiles.recognition import RULES
from modelfiles.selection import Fixed, Rule

from .format import model_file
from .formats import caffe, h5, keras, mxnet, netdef, tensorrt

ONE: Mapping[str, Rule | Fixed] = {
    **RULES,
    **{rule.format: rule for rule in (h5.RULE, keras.RULE, tensorrt.RULE)},
}
SEVERAL: Mapping[str, Callable[[Path], tuple[Path, ...]]] = {
    "CaffeModel": caffe.files,
    "MXNetParams": mxnet.files,
    "NetDef": netdef.files,
}


def model_files(format_name: str, directory: Path) -> tuple[Path, ...]:
    """Return the model's files in the order of their parser; empty if no program loads the format.

    Raises:
        InvalidModelError: a file is missing, or several files match.
    """
    if format_name in SEVERAL:
        return SEVERAL[format_name](directory)
    return (model_file(ONE[format_name], directory),) if format_name in ONE else ()
