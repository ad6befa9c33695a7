"""Operators of TensorFlow with effects besides computing: files, Python, other machines."""

import re

from .finding import Carried, dangerous

PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
SAVER = frozenset(
    {"Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2", "RestoreSlice", "MergeV2Checkpoints", "ShardedFilespec"}
)
"""Operators that write and read checkpoints. Every SavedModel has them for the checkpoint beside the model."""
FILES = {
    *("ReadFile", "WriteFile", "MatchingFiles", "LMDBReader", "LoadAndRemapMatrix"),
    *(
        "WholeFileReader",
        "WholeFileReaderV2",
        "TextLineReader",
        "TextLineReaderV2",
        "TFRecordReader",
        "TFRecordReaderV2",
    ),
    *("FixedLengthRecordReader", "FixedLengthRecordReaderV2", "IdentityReader", "IdentityReaderV2", "AudioSummary"),
    *("ImmutableConst", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount", "DebugNumericSummary"),
    *(
        "DebugNumericSummaryV2",
        "CreateSummaryFileWriter",
        "CreateSummaryDbWriter",
        "WriteSummary",
        "FlushSummaryWriter",
    ),
    *("DatasetToTFRecord", "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2", "FixedLengthRecordDataset"),
    *("FixedLengthRecordDatasetV2", "CSVDataset", "CSVDatasetV2", "SqlDataset", "LMDBDataset", "SaveDataset"),
    *("SaveDatasetV2", "LoadDataset", "SnapshotDataset", "SnapshotDatasetV2", "DistributedSave", "CacheDataset"),
    *("CacheDatasetV2", "BigQueryReader", "GenerateBigQueryReaderPartitions"),
}
NETWORK = re.compile(r"(?:Rpc|TryRpc|RPC|Recv|Send|_Recv|_Send|DataServiceDataset|RegisterDataset|Collective)\w*")


def operator_of(name: str, stream: str = "") -> Carried | None:
    """Return the finding on an operator; None if it only computes, or loads and saves checkpoints.

    Args:
        name: of the operator.
        stream: the output stream of PrintV2.
    """
    if stream.startswith("file:"):
        return _dangerous(name, "writes to a file that it names")
    if name in PYTHON:
        return _dangerous(name, "runs Python")
    if name in FILES:
        return _dangerous(name, "reads or writes files that it names")
    return _dangerous(name, "communicates with other programs") if NETWORK.fullmatch(name) else None


def saver_of(name: str) -> Carried | None:
    """Like `operator_of`, for operators that load and save checkpoints, if a prediction would run them."""
    return _dangerous(name, "reads or writes files when the model is called") if name in SAVER else None


def _dangerous(name: str, does: str) -> Carried:
    return dangerous("tensorflow", name, f"the operator {name} {does}")
