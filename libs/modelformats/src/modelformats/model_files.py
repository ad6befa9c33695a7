"""Which files of a directory are the model, as its parser chooses them: for those who load or convert it."""

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
    """The model's file, or its files in the order of their parser; none where nothing loads the format.

    Raises:
        InvalidModelError: a file is missing, or more than one could be it.
    """
    if format_name in SEVERAL:
        return SEVERAL[format_name](directory)
    return (model_file(ONE[format_name], directory),) if format_name in ONE else ()
