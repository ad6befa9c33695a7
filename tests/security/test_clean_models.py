"""Ordinary models of the usual libraries are clean, because their contents are listed; code execution is not."""

import io
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import all_estimators, get_tags

# The arguments that scikit-learn's own checks of all estimators use; there is no public function for them.
from sklearn.utils._test_common.instance_generator import _construct_instances

from modelfiles.unpickling.allowlist import Allowlist, Use
from modelfiles.unpickling.loading import load, refusal
from modelfiles.unpickling.reading import examine_whole
from modelformats.scanning import scan_directory
from support.model_files import write

ROWS = np.random.default_rng(0).random((40, 4))
CLASSES = np.arange(40) % 2
TEXTS = ["alpha beta gamma", "delta beta omega"] * 20
DATA: tuple[tuple[Any, ...], ...] = (
    (ROWS, CLASSES),
    (ROWS, ROWS[:, 0]),
    (ROWS,),
    (ROWS, np.stack([CLASSES, CLASSES], axis=1)),
    (ROWS[:, 0], CLASSES),
    (ROWS @ ROWS.T, CLASSES),
    (ROWS[:, :3],),
    (np.round(ROWS * 5), CLASSES),
    (CLASSES,),
    (TEXTS,),
    ([{"a": 1, "b": 2.0}] * 40,),
)
"""Data to fit an estimator on: the first that it accepts is used."""
UNFITTED = {"SparseCoder"}
"""Estimators that are used without a fit."""
RUN_ANYTHING = """
builtins: eval exec compile open __import__ getattr setattr delattr globals locals vars input breakpoint type map
os: system popen execl execv execve spawnl spawnv remove unlink rmdir rename link symlink putenv kill fork
posix: system popen execv fork remove
subprocess: Popen run call check_call check_output getoutput getstatusoutput
shutil: rmtree copy copyfile move copytree make_archive unpack_archive
importlib: import_module reload __import__
importlib.util: spec_from_file_location module_from_spec
runpy: run_path run_module _run_code
marshal: load loads
pickle: load loads Unpickler
_pickle: load loads
shelve: open
code: interact InteractiveInterpreter
codeop: compile_command
pty: spawn
ctypes: CDLL PyDLL cdll
sys: exit settrace setprofile modules
socket: socket create_connection
ssl: create_default_context
http.client: HTTPConnection HTTPSConnection
urllib.request: urlopen urlretrieve Request
ftplib: FTP
smtplib: SMTP
webbrowser: open
operator: attrgetter methodcaller itemgetter call
functools: reduce partialmethod singledispatch
itertools: starmap accumulate
types: CodeType FunctionType MethodType ModuleType SimpleNamespace
inspect: getattr_static
threading: Thread Timer
multiprocessing: Process Pool
multiprocessing.util: spawnv_passfds
asyncio: run create_subprocess_shell
tempfile: mktemp NamedTemporaryFile
pathlib: Path PosixPath
io: open FileIO
_io: open FileIO
zipfile: ZipFile
tarfile: open
sqlite3: connect
logging.config: fileConfig dictConfig listen
timeit: timeit Timer
cProfile: run
profile: run
pdb: run set_trace
bdb: Bdb
doctest: debug_script
trace: Trace
unittest.mock: patch _importer
pkgutil: get_loader resolve_name
pydoc: locate pipepager
distutils.file_util: write_file
idlelib.run: Executive
venv: create
ensurepip: bootstrap
pip: main
site: execsitecustomize
commands: getoutput
__builtin__: eval execfile apply file reload
nt: system
numpy: load loadtxt genfromtxt fromfile save savez memmap vectorize frompyfunc apply_along_axis piecewise
numpy.testing._private.utils: runstring
numpy.f2py.crackfortran: getlincoef param_eval
numpy.core.records: fromfile
numpy.lib.npyio: load
numpy.lib.format: open_memmap read_array
numpy.distutils.exec_command: exec_command
scipy.io: loadmat savemat
scipy.stats._distn_infrastructure: rv_continuous_frozen rv_discrete_frozen
joblib: load dump Memory Parallel hash
joblib.numpy_pickle: load load_temporary_memmap NumpyUnpickler NDArrayWrapper ZNDArrayWrapper
joblib.memory: Memory
joblib._memmapping_reducer: unlink_file
joblib.externals.loky: get_reusable_executor
cloudpickle: load loads
cloudpickle.cloudpickle: _make_function _builtin_type subimport _make_skeleton_class
dill: load loads
dill._dill: _create_function _import_module
sklearn.datasets: fetch_file fetch_openml load_files load_svmlight_file fetch_california_housing clear_data_home
sklearn.utils: check_random_state Memory
sklearn.utils._testing: ignore_warnings
sklearn.utils.parallel: Parallel _FuncWrapper
sklearn.utils._joblib: Parallel
sklearn.externals._arff: load
pandas: read_pickle read_csv eval read_sql to_pickle
pandas.io.common: get_handle
pandas.core.computation.eval: eval
torch: load save jit.load compile
torch.hub: load load_state_dict_from_url
torch.utils.cpp_extension: load load_inline
torch.jit: load unused
torch.serialization: load
torch.fx.graph_module: reduce_graph_module
torch._dynamo.guards: GuardBuilder
torch.storage: _load_from_bytes
torch.distributed.rpc: rpc_sync
xgboost.core: DMatrix build_info
xgboost.callback: TrainingCheckPoint
lightgbm.basic: Dataset
catboost.core: Pool
catboost.utils: create_cd
mlflow.pyfunc: load_model
mlflow.sklearn: load_model
skops.io: load
yaml: load unsafe_load
jinja2: Template
requests: get
IPython: start_ipython
setuptools.sandbox: run_setup
my.module: MyTransformer
"""
"""Callables that no model needs, by module."""
GADGETS = [(module, name) for line in RUN_ANYTHING.split("\n") if line for module, _, names in [line.partition(":")]
           for name in names.split()]  # fmt: skip


def fitted() -> Iterator[tuple[str, BaseEstimator]]:
    """Every estimator of scikit-learn, fitted."""
    for name, kind in all_estimators():
        if kind is FrozenEstimator:
            yield name, FrozenEstimator(LogisticRegression().fit(ROWS, CLASSES))
            continue
        for estimator in _construct_instances(kind):
            yield name, estimator if name in UNFITTED else _fit(estimator)


def _fit(estimator: Any) -> Any:
    data = [TEXTS, *DATA] if get_tags(estimator).input_tags.string else DATA
    refusals = []
    for given in data:
        try:
            return estimator.fit(*given if isinstance(given, tuple) else (given,))
        except Exception as error:  # noqa: BLE001 - estimators raise anything for data that they do not take
            refusals.append(error)
    raise AssertionError(f"{estimator} takes none of the data: {refusals}")


def test_every_estimator_of_scikit_learn_is_clean_and_loads(tmp_path: Path) -> None:
    file, refused, loaded = tmp_path / "model", {}, 0
    with warnings.catch_warnings(action="ignore"):  # few rows do not converge
        for name, estimator in fitted():
            for content in (pickle.dumps(estimator, 2), pickle.dumps(estimator, 5), dumped(estimator)):
                file.write_bytes(content)
                if reason := refusal(examine_whole(io.BytesIO(content), Allowlist())):
                    refused[name] = reason
                    continue
                assert type(load(file, Allowlist())) is type(estimator)
                loaded += 1
    assert refused == {}
    assert loaded > 600


def dumped(estimator: Any) -> bytes:
    """The bytes that joblib writes."""
    file = io.BytesIO()
    joblib.dump(estimator, file, compress=3)
    return file.getvalue()


@pytest.mark.parametrize(("module", "name"), GADGETS, ids=str)
def test_a_callable_that_models_do_not_need_is_blocked(module: str, name: str) -> None:
    assert Allowlist().use((module, name)) in {Use.UNKNOWN, Use.DANGEROUS}


def test_a_pickle_of_each_unneeded_callable_is_not_clean(tmp_path: Path) -> None:
    clean = []
    for number, (module, name) in enumerate(GADGETS):
        content = f"c{module}\n{name}\n(S'x'\ntR.".encode()
        if scan_directory(write(tmp_path / str(number), "model.pkl", content)).verdict == "clean":
            clean.append(f"{module}.{name}")
    assert clean == []
    assert len(GADGETS) > 240


@pytest.mark.parametrize("start", range(256))
def test_random_weights_are_not_a_pickle(tmp_path: Path, start: int) -> None:
    random = np.random.default_rng(start)
    for count in (20, 5000):
        floats = bytes([start]) + random.standard_normal(count).astype(np.float32).tobytes()
        numbers = bytes([start]) + random.integers(0, 256, count, dtype=np.uint8).tobytes()
        for content in (floats, numbers, bytes([start]) + bytes(count)):
            assert scan_directory(write(tmp_path, "weights.bin", content)).verdict == "clean"


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\nfish\n",
        "c\n",
        "(a list of things)\nI would say: .\n",
        "x^2 + y^2 is a text that begins like zlib\n" * 20,
        "import os\nos.system('ls')\n",
        "class,count\ncat,3\n",
        "N.\n",
        "]}).",
        '{"format": "cos\\nsystem\\n"}',
        "Iris setosa\nIris virginica\n",
        "P3\n2 2\n255\n0 0 0\n",
        "# S3: .\n",
    ],
)
def test_a_text_is_not_a_pickle(tmp_path: Path, text: str) -> None:
    assert scan_directory(write(tmp_path, "labels.txt", text)).verdict == "clean"


def test_the_files_of_this_project_are_not_pickles() -> None:
    sources = Path(__file__).parents[2]
    for folder in ("docs", "libs", "tests/unit/modelfiles"):
        assert scan_directory(sources / folder).findings == ()
