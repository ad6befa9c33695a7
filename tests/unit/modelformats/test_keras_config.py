"""Parsing the configuration of Keras models."""

from typing import Any

import pytest

from modelformats import InvalidModelError
from modelformats.formats.keras_config import KerasModel, read_config
from modelformats.formats.keras_shapes import result_shape


def tensors(network: KerasModel) -> list[tuple[str, str | None, tuple[int | str, ...] | None]]:
    return [(tensor.name, tensor.dtype, tensor.shape) for tensor in (*network.inputs, *network.outputs)]


def sequential(*layers: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    first, *rest = [{"class_name": kind, "config": {"name": kind.lower()} | config} for kind, config in layers]
    return {"class_name": "Sequential", "config": {"name": "net", "layers": [first, *rest]}}


STEPS = ("InputLayer", {"batch_input_shape": [None, 10, 4], "dtype": "float32"})
IMAGE = ("InputLayer", {"batch_shape": [None, None, 9, 3], "dtype": "uint8"})


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([STEPS, ("LSTM", {"units": 7})], (-1, 7)),
        ([STEPS, ("GRU", {"units": 7, "return_sequences": True})], (-1, 10, 7)),
        ([STEPS, ("GRU", {"units": 7, "return_state": True})], None),
        ([STEPS, ("Conv1D", {"filters": 2, "kernel_size": 3, "dilation_rate": 2})], (-1, 6, 2)),
        ([STEPS, ("Embedding", {"output_dim": 6})], (-1, 10, 4, 6)),
        ([STEPS, ("Reshape", {"target_shape": [4, 10]})], (-1, 4, 10)),
        ([STEPS, ("Reshape", {"target_shape": [-1, 10]})], None),
        ([STEPS, ("RepeatVector", {"n": 2})], (-1, 2, 10, 4)),
        ([STEPS, ("Flatten", {}), ("Dropout", {}), ("Dense", {"units": 1})], (-1, 1)),
        ([IMAGE, ("Conv2D", {"filters": 5, "kernel_size": [3, 3], "padding": "same", "strides": 2})], (-1, -1, 5, 5)),
        ([IMAGE, ("MaxPooling2D", {"pool_size": [2, 2]})], (-1, -1, 4, 3)),
        ([IMAGE, ("GlobalAveragePooling2D", {})], (-1, 3)),
        ([IMAGE, ("Flatten", {})], (-1, -1)),
        ([IMAGE, ("GlobalMaxPooling2D", {"keepdims": True})], (-1, 1, 1, 3)),
        ([IMAGE, ("ZeroPadding2D", {"padding": [[0, 1], [2, 2]]})], (-1, -1, 13, 3)),
        ([IMAGE, ("Cropping2D", {"cropping": [[0, 1], [2, 2]]})], (-1, -1, 5, 3)),
        ([STEPS, ("ZeroPadding1D", {"padding": [1, 2]})], (-1, 13, 4)),
        ([IMAGE, ("UpSampling2D", {"size": [2, 3]})], (-1, -1, 27, 3)),
        ([IMAGE, ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2})], (-1, -1, 7, 6)),
        ([IMAGE, ("SeparableConv2D", {"kernel_size": 3, "filters": 8})], (-1, -1, 7, 8)),
        ([IMAGE, ("Conv2D", {"filters": 5, "kernel_size": 3, "data_format": "channels_first"})], None),
        ([IMAGE, ("Conv2DTranspose", {"filters": 5, "kernel_size": 3})], None),
        ([IMAGE, ("Mine>Layer", {})], None),
    ],
    ids=lambda value: "-".join(kind for kind, _ in value) if isinstance(value, list) else "",
)
def test_the_shape_of_the_output_follows_from_the_layers(
    layers: list[tuple[str, dict[str, Any]]], shape: tuple[int, ...] | None
) -> None:
    network = read_config(sequential(*layers))
    assert network.outputs[0].shape == shape
    assert ("outputs" in network.unknown) == (shape is None)


def test_the_first_layer_may_declare_the_shape() -> None:
    config = sequential(("Dense", {"batch_input_shape": [None, 3], "units": 2, "dtype": "float16"}))
    network = read_config(config | {"config": config["config"]["layers"]})  # the layout of Keras 1
    assert tensors(network) == [("dense", "float16", (-1, 3)), ("dense", "float16", (-1, 2))]


def test_nested_models_are_counted_with_their_layers() -> None:
    inner = sequential(("Dense", {"units": 2}), ("Dense", {"units": 2}))
    wrapped = ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 1}}})
    network = read_config(sequential(STEPS, ("Sequential", inner["config"]), wrapped))
    assert network.operators == {"Dense": 3, "InputLayer": 1, "Sequential": 1, "TimeDistributed": 1}


def test_a_custom_model_class_reports_what_is_unknown() -> None:
    network = read_config({"class_name": "Mine", "config": {"hidden": 3}})
    assert set(network.unknown) == {"inputs", "outputs"}
    assert network.operators == {"Mine": 1}


@pytest.mark.parametrize("config", [[], {"config": {}}, None, {"class_name": 1}], ids=repr)
def test_a_configuration_of_another_kind_is_refused(config: Any) -> None:
    with pytest.raises(InvalidModelError, match="contains no model"):
        read_config(config)


def functional(name: str, nodes: list[Any], outputs: Any, dtype: Any = "float32") -> dict[str, Any]:
    """An input `x` of (?, 4) and one more layer."""
    declared = {"name": "x", "batch_input_shape": [None, 4], "dtype": dtype}
    given = {"class_name": "InputLayer", "name": "x", "config": declared, "inbound_nodes": []}
    config = {"name": name, "axis": -1, "units": 2, "dtype": dtype}
    layer = {"class_name": name, "name": "last", "config": config, "inbound_nodes": nodes}
    layers = {"layers": [given, layer], "input_layers": {"first": ["x", 0, 0]}, "output_layers": outputs}
    return {"class_name": "Functional", "config": layers}


X = ["x", 0, 0, {}]


@pytest.mark.parametrize(
    ("kind", "nodes", "shape"),
    [
        ("Concatenate", [[X, X]], (-1, 8)),
        ("Add", [[X, X]], (-1, 4)),
        ("Dot", [[X, X]], None),
        ("Dense", [[X], [X]], None),
        ("Dense", [[X]], (-1, 2)),
    ],
    ids=["joined", "added", "not-known", "used-twice", "used-once"],
)
def test_inputs_of_a_layer_are_found(kind: str, nodes: list[Any], shape: tuple[int, ...] | None) -> None:
    assert read_config(functional(kind, nodes, [["last", 0, 0]])).outputs[0].shape == shape


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (["last", 0, 0], ["last"]),
        ([["last", 0, 0]], ["last"]),
        ({"a": ["last", 0, 0]}, ["a"]),
        ({"b": ["last", 0, 0], "a": ["x", 0, 0]}, ["b", "a"]),
        ({"a": [["last", 0, 0], ["x", 0, 0]]}, ["last", "x"]),
        ([["last", 0, 0], ["last", 0, 1], ["last", 0, 2]], ["last", "last_1", "last_2"]),
    ],
    ids=["one", "list", "dict", "order-of-its-own", "nested", "of-one-layer"],
)
def test_outputs_have_the_names_and_the_order_of_the_model(outputs: Any, names: list[str]) -> None:
    network = read_config(functional("Dense", [[X]], outputs))
    assert tensors(network)[0] == ("first", "float32", (-1, 4))
    assert [tensor.name for tensor in network.outputs] == names
    assert network.outputs[0].shape == (-1, 2)


def test_only_the_first_result_of_a_layer_has_its_shape() -> None:
    network = read_config(functional("Dense", [[X]], [["last", 0, 0], ["last", 0, 1]]))
    assert [tensor.shape for tensor in network.outputs] == [(-1, 2), None]


def test_inputs_without_names_are_named_after_their_layers() -> None:
    model = functional("Dense", [[X]], ["last", 0, 0])
    model["config"]["input_layers"] = [["x", 0, 0]]
    assert [tensor.name for tensor in read_config(model).inputs] == ["x"]


@pytest.mark.parametrize(
    ("declared", "dtype"),
    [
        ("mixed_float16", "float16"),
        ({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}, "bfloat16"),
        ("string", "str"),
        (None, None),
    ],
    ids=["mixed", "policy", "string", "none"],
)
def test_types_and_policies_have_numpy_names(declared: Any, dtype: str | None) -> None:
    assert read_config(functional("Dense", [[X]], ["last", 0, 0], declared)).outputs[0].dtype == dtype


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(-1, 4, 4, 2), (-1, 1, 1, 2)], (-1, 4, 4, 2)),
        ([(-1, -1), (-1, 3)], (-1, 3)),
        ([(-1, 1), (-1, -1)], (-1, -1)),
        ([(-1, 2), (-1, 3)], None),
        ([(-1, 2), (-1, 2, 2)], None),
    ],
)
def test_results_of_two_shapes_are_broadcast(shapes: list[tuple[int, ...]], expected: tuple[int, ...] | None) -> None:
    assert result_shape("Multiply", {}, shapes) == expected


@pytest.mark.parametrize(
    ("declared", "dtype", "reason"),
    [
        ("int8_from_float32", "float32", None),
        ("float8_from_mixed_bfloat16", "bfloat16", None),
        ("posit16", None, "its elements are of unknown type posit16: newer than this version of Klever"),
    ],
)
def test_an_output_has_the_type_of_results_not_that_of_quantized_weights(
    declared: str, dtype: str | None, reason: str | None
) -> None:
    network = read_config(functional("Dense", [[X]], ["last", 0, 0], declared))
    (output,) = network.outputs
    assert (output.dtype, network.unknown.get(output.name)) == (dtype, reason)
