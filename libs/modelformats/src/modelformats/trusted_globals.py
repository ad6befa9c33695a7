"""Classes and functions that pickled models name and that do no more than make data."""

import re

CONTAINERS = "object|set|frozenset|dict|list|tuple|slice|complex|bytearray|bytes|int|float|bool|str|range"
UFUNCS = (
    "abs|absolute|acos|acosh|add|arccos|arccosh|arcsin|arcsinh|arctan|arctan2|arctanh|asin|asinh|"
    "atan|atan2|atanh|bitwise_and|bitwise_count|bitwise_invert|bitwise_left_shift|bitwise_not|"
    "bitwise_or|bitwise_right_shift|bitwise_xor|cbrt|ceil|conj|conjugate|copysign|cos|cosh|deg2rad|"
    "degrees|divide|divmod|equal|exp|exp2|expm1|fabs|float_power|floor|floor_divide|fmax|fmin|"
    "fmod|frexp|gcd|greater|greater_equal|heaviside|hypot|invert|isfinite|isinf|isnan|isnat|lcm|"
    "ldexp|left_shift|less|less_equal|log|log10|log1p|log2|logaddexp|logaddexp2|logical_and|"
    "logical_not|logical_or|logical_xor|matmul|matvec|maximum|minimum|mod|modf|multiply|negative|"
    "nextafter|not_equal|positive|pow|power|rad2deg|radians|reciprocal|remainder|right_shift|rint|"
    "sign|signbit|sin|sinh|spacing|sqrt|square|subtract|tan|tanh|true_divide|trunc|vecdot|vecmat"
)
"""NumPy's element-wise functions, which FunctionTransformer and others take; none reads files or calls anything."""
TRUSTED = re.compile(
    "|".join(
        (
            rf"(builtins|__builtin__)\.({CONTAINERS})",
            r"(copyreg|copy_reg)\.(_reconstructor|__newobj__)",
            r"_codecs\.encode",
            r"functools\.partial",
            r"collections\.(OrderedDict|defaultdict|Counter|deque)",
            r"numpy\.(ndarray|dtype|matrix|bool_|u?int\d+|float\d+|str_)",
            r"numpy\.dtypes\.\w+DType",
            r"numpy\.(core|_core)\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)",
            rf"numpy\.({UFUNCS})",
            r"numpy\.ma\.(core\.)?MaskedArray|numpy\.ma\.core\._mareconstruct",
            r"numpy\.random\.bit_generator\.(SeedSequence|__pyx_unpickle_SeedSequence)",
            r"numpy\.random\._pickle\.__(randomstate|generator|bit_generator)_ctor",
            r"numpy\.random\.(_mt19937\.MT19937|_pcg64\.PCG64(DXSM)?|_philox\.Philox|_sfc64\.SFC64)",
            r"joblib\.numpy_pickle\.NumpyArrayWrapper|sklearn\.externals\.joblib\.numpy_pickle\.NumpyArrayWrapper",
            r"sklearn(\.\w+)*\.(_*[A-Z]\w*|__pyx_unpickle_\w+|newObj)",
            r"sklearn\.utils\.validation\.check_array",  # HistGradientBoosting has a partial of it
            r"scipy\.sparse\.(\w+\.)?\w+_(matrix|array)",
            r"(xgboost|lightgbm|catboost)(\.\w+)*\.(Booster|XGB\w+|LGBM\w+|CatBoost\w*)",
            r"torch\.\w+Storage|torch\.storage\.UntypedStorage|torch\.nn(\.\w+)*\.[A-Z]\w+",
            r"torch\.(device|Size|[a-z]+\d+|float[468]_e\d+m\d+\w*)",
            r"torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter)",
            r"__torch__(\.\w+)*|torch\.jit\._pickle\.\w+",
        )
    )
)
"""Matched whole against module.name. Their modules are not trusted as such: some of their functions run commands."""
