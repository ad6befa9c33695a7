"""The part of onnx.proto (github.com/onnx/onnx, IR version 3 to 13) that a signature needs, and its types."""

from typing import TYPE_CHECKING

from modelformats.skimming import Schema

if TYPE_CHECKING:
    from modelformats.converting.programs.protobuf_messages import Messages

MESSAGES: "Messages" = {
    "ModelProto": (
        ("ir_version", 1, "int64"),
        ("producer_name", 2, "string"),
        ("producer_version", 3, "string"),
        ("graph", 7, "GraphProto"),
        ("opset_import", 8, "*OperatorSetIdProto"),
        ("functions", 25, "*FunctionProto"),
    ),
    "OperatorSetIdProto": (("domain", 1, "string"), ("version", 2, "int64")),
    "FunctionProto": (("node", 7, "*NodeProto"),),
    "GraphProto": (
        ("node", 1, "*NodeProto"),
        ("name", 2, "string"),
        ("initializer", 5, "*TensorProto"),
        ("input", 11, "*ValueInfoProto"),
        ("output", 12, "*ValueInfoProto"),
        ("sparse_initializer", 15, "*SparseTensorProto"),
    ),
    "NodeProto": (("op_type", 4, "string"), ("attribute", 5, "*AttributeProto")),
    "AttributeProto": (("g", 6, "GraphProto"), ("graphs", 11, "*GraphProto")),
    "TensorProto": (("dims", 1, "*int64"), ("data_type", 2, "int32"), ("name", 8, "string")),
    "SparseTensorProto": (("values", 1, "TensorProto"),),
    "ValueInfoProto": (("name", 1, "string"), ("type", 2, "TypeProto")),
    "TypeProto": (("tensor_type", 1, "TensorType"), ("sparse_tensor_type", 8, "TensorType")),
    "TensorType": (("elem_type", 1, "int32"), ("shape", 2, "TensorShapeProto")),
    "TensorShapeProto": (("dim", 1, "*Dimension"),),
    "Dimension": (("dim_value", 1, "?int64"), ("dim_param", 2, "string")),
}
SCHEMA = Schema("klever.onnx", MESSAGES, "ModelProto")

DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "str",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1fn",
    24: "float8_e8m0fnu",
}
"""TensorProto.DataType to numpy's names, where numpy has none those of ml_dtypes."""
