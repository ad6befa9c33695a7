"""Classes and functions that pickled models name and that do no more than make data."""

import re

CONTAINERS = "object|set|frozenset|dict|list|tuple|slice|complex|bytearray|bytes|int|float|bool|str|range"
TRUSTED = re.compile(
    "|".join(
        (
            rf"(builtins|__builtin__)\.({CONTAINERS})",
            r"(copyreg|copy_reg)\.(_reconstructor|__newobj__)",
            r"_codecs\.encode",
            r"collections\.(OrderedDict|defaultdict|Counter|deque)",
            r"numpy\.(ndarray|dtype|matrix|bool_|u?int\d+|float\d+|str_)",
            r"numpy\.dtypes\.\w+DType",
            r"numpy\.(core|_core)\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)",
            r"numpy\.ma\.core\.(MaskedArray|_mareconstruct)",
            r"numpy\.random\._pickle\.__(randomstate|generator|bit_generator)_ctor",
            r"numpy\.random\._mt19937\.MT19937|numpy\.random\._pcg64\.PCG64",
            r"joblib\.numpy_pickle\.NumpyArrayWrapper|sklearn\.externals\.joblib\.numpy_pickle\.NumpyArrayWrapper",
            r"sklearn(\.\w+)*\.(_*[A-Z]\w*|__pyx_unpickle_\w+|newObj)",
            r"scipy\.sparse\.(\w+\.)?\w+_(matrix|array)",
            r"(xgboost|lightgbm|catboost)(\.\w+)*\.(Booster|XGB\w+|LGBM\w+|CatBoost\w*)",
            r"torch\.\w+Storage|torch\.(device|Size|[a-z]+\d+)|torch\.nn(\.\w+)*\.[A-Z]\w+",
            r"torch\._utils\._rebuild_(tensor|tensor_v2|parameter)",
            r"__torch__(\.\w+)*|torch\.jit\._pickle\.\w+",
        )
    )
)
"""Matched whole against module.name. Their modules are not trusted as such: some of their functions run commands."""
