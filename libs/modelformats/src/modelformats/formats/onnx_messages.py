"""The part of onnx.proto (github.com/onnx/onnx, IR version 3 to 14) for signatures, and its types."""

from typing import TYPE_CHECKING

from modelfiles.protobuf.skimming import Schema

if TYPE_CHECKING:
    from modelfiles.protobuf.messages import Messages

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
    "AttributeProto": (
        ("name", 1, "string"),
        ("t", 5, "TensorProto"),
        ("g", 6, "GraphProto"),
        ("graphs", 11, "*GraphProto"),
        ("sparse_tensor", 22, "SparseTensorProto"),
    ),
    "TensorProto": (
        ("dims", 1, "*int64"),
        ("data_type", 2, "int32"),
        ("name", 8, "string"),
        ("external_data", 13, "*StringStringEntryProto"),
        ("data_location", 14, "int32"),
    ),
    "StringStringEntryProto": (("key", 1, "string"), ("value", 2, "string")),
    "SparseTensorProto": (("values", 1, "TensorProto"),),
    "ValueInfoProto": (("name", 1, "string"), ("type", 2, "TypeProto")),
    "TypeProto": (("tensor_type", 1, "TensorType"), ("sparse_tensor_type", 8, "TensorType")),
    "TensorType": (("elem_type", 1, "int32"), ("shape", 2, "TensorShapeProto")),
    "TensorShapeProto": (("dim", 1, "*Dimension"),),
    "Dimension": (("dim_value", 1, "?int64"), ("dim_param", 2, "string")),
}
SCHEMA = Schema("klever.onnx", MESSAGES, "ModelProto")
SIZED_SCHEMA = Schema(
    "klever.onnx.sized",
    {
        **MESSAGES,
        "AttributeProto": (
            *MESSAGES["AttributeProto"],
            ("float_sizes", 7, "*size"),
            ("int_counts", 8, "*varints"),
            ("string_sizes", 9, "*size"),
        ),
        "TensorProto": (*MESSAGES["TensorProto"], ("raw_size", 9, "size")),
    },
    "ModelProto",
)
"""Also has the sizes of `raw_data` and of lists, which takes longer to read; for weights whose size does not follow
from type and shape.
"""

NEWEST_IR, NEWEST_OPSET = 14, 28
"""Of onnx 1.23."""
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
    25: "uint2",
    26: "int2",
    27: "float6_e2m3fn",
    28: "float6_e3m2fn",
}
"""TensorProto.DataType to names of numpy, or of ml_dtypes if numpy has none."""
