"""Frozen TensorFlow graphs, run by OpenVINO without TensorFlow.

Inputs and outputs have the names of nodes: inputs are the placeholders, outputs the nodes that no other node uses.
"""

from pathlib import Path

from modelfiles.recognition import GRAPHDEF

from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the graph in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or OpenVINO cannot run it.
    """
    file = GRAPHDEF.file(directory)
    return OpenVinoModel(*compiled(file, directory, threads=threads, name=_node), platform="openvino_graphdef")


def _node(tensor: str) -> str:
    return tensor.removesuffix(":0")
