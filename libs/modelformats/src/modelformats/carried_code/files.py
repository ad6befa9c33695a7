"""Selects the checks for a file by the loaders that would read it."""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from modelfiles.recognition import is_graphdef
from modelfiles.selection import ZIP_MAGIC as ZIP
from modelfiles.zips import MEMBERS_LIMIT, read_member
from modelformats.bounded_json import load_json
from modelformats.format import head, reading
from modelformats.formats.gguf_file import MAGIC as GGUF
from modelformats.formats.gguf_file import read_gguf
from modelformats.formats.h5 import CONFIG as H5_CONFIG
from modelformats.formats.keras import CONFIG as KERAS_CONFIG
from modelformats.hdf5 import MAGIC as HDF5
from modelformats.hdf5 import Hdf5

from .chat_templates import code_of_template
from .documents import code_of_xml
from .finding import Carried
from .keras_models import code_of_config
from .mlflow_models import code_of_mlmodel, is_mlmodel
from .tensorflow_graphs import code_of_graph, code_of_saved_model
from .torch_programs import code_of_exported_program, code_of_torchscript

CONFIG_LIMIT = 16 * 1024**2
SNIFFED = 64
SAVED_MODEL, GRAPH = "saved_model.pb", ".graphdef"
TEMPLATE = "chat_template"
TOKENIZER, JINJA = "tokenizer_config.json", "chat_template.jinja"
XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xfe\xff", b"\xff\xfe", b"\x00<", b"<\x00")


def code_of(path: Path) -> Iterator[Carried]:
    """Yield what loading a model with this file would import, run or open.

    Raises InvalidModelError if the file cannot be read in its format.
    """
    start = head(path, SNIFFED)
    with reading(path, "file of a model"):
        if is_mlmodel(path):
            yield from code_of_mlmodel(path)
        elif path.name == SAVED_MODEL:
            yield from code_of_saved_model(path)
        elif start.startswith(ZIP):
            yield from _in_zip(path)
        elif start.startswith(HDF5):
            yield from _in_hdf5(path)
        elif start.startswith(GGUF):
            yield from _in_gguf(path)
        elif start.lstrip().startswith(XML_STARTS):
            yield from code_of_xml(path)
        elif path.suffix.lower() == GRAPH or is_graphdef(path):
            yield from code_of_graph(path)
        else:
            yield from _beside_tokenizers(path)


def _in_zip(path: Path) -> Iterator[Carried]:
    """Check Keras models, TorchScript and exported programs; other archives contain none of these members."""
    with ZipFile(path) as archive:
        if len(archive.namelist()) > MEMBERS_LIMIT:
            raise ValueError(f"it has more than {MEMBERS_LIMIT} members")
        if KERAS_CONFIG in archive.namelist():
            yield from code_of_config(json.loads(read_member(archive, KERAS_CONFIG, CONFIG_LIMIT)))
        yield from code_of_torchscript(archive)
        yield from code_of_exported_program(archive)


def _in_hdf5(path: Path) -> Iterator[Carried]:
    with path.open("rb") as stream:
        config = Hdf5(stream).text(H5_CONFIG)
    if config is not None:
        yield from code_of_config(json.loads(config))


def _in_gguf(path: Path) -> Iterator[Carried]:
    with path.open("rb") as stream:
        keys = read_gguf(stream).keys
    for name, value in keys.items():
        if TEMPLATE in name and isinstance(value, str):
            yield from code_of_template(value)


def _beside_tokenizers(path: Path) -> Iterator[Carried]:
    """Yield the template of a tokenizer saved by Transformers."""
    if path.name == JINJA:
        yield from code_of_template(path.read_text(errors="replace"))
    elif path.name == TOKENIZER:
        config = load_json(path.read_bytes(), most_bytes=CONFIG_LIMIT)
        yield from code_of_template(json.dumps(config.get(TEMPLATE, "")) if isinstance(config, dict) else "")
