"""Restores the outputs of the source in converted boosters: labels and probabilities, or one number for each row."""

import onnx

_COLUMN = "column of the second class"


def keep_second_probability(model: onnx.ModelProto) -> None:
    """Keep the probability of the second class, like boosters of two classes."""
    graph, (_, probabilities) = model.graph, _outputs(model)
    graph.initializer.append(onnx.helper.make_tensor(_COLUMN, onnx.TensorProto.INT64, [], [1]))
    graph.node.append(onnx.helper.make_node("Gather", [probabilities, _COLUMN], ["score"], axis=1))
    _only(graph, "score", [None])


def keep_probabilities(model: onnx.ModelProto) -> None:
    """Keep the probability of each class."""
    graph, (_, probabilities) = model.graph, _outputs(model)
    _only(graph, probabilities, [None, None])


def keep_label(model: onnx.ModelProto) -> None:
    """Keep the number of the class as a float, like XGBoost."""
    graph, (labels, _) = model.graph, _outputs(model)
    graph.node.append(onnx.helper.make_node("Cast", [labels], ["number"], to=onnx.TensorProto.FLOAT))
    _only(graph, "number", [None])


def _outputs(model: onnx.ModelProto) -> tuple[str, str]:
    labels, probabilities = model.graph.output
    return labels.name, probabilities.name


def _only(graph: onnx.GraphProto, name: str, shape: list[None]) -> None:
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
