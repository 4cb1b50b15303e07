"""Everything that works around the host toolboxes, and nothing else.

Two hosts provide ``mmseg``, ``mmengine`` and ``mmcv``: OpenMMLab's distributions, and onedl's maintained forks of them. Each
fix below says what is broken where, and when it can be deleted. ``python -m mmseg_bisenet_lite.doctor`` shows which of them
act. This module imports no host at its top, so that the doctor also runs where the host is missing or broken.
"""

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.errors import InputError

INSTALL = "pip install 'mmseg-bisenet-lite[openmmlab]'"

# What each host is called on the package index.
HOSTS = {
    'OpenMMLab': ('mmsegmentation', 'mmengine', ('mmcv', 'mmcv-lite')),
    'onedl': ('onedl-mmsegmentation', 'onedl-mmengine', ('onedl-mmcv',)),
}


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or ``None``."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def host_name() -> str | None:
    """The key of ``HOSTS`` whose mmsegmentation is installed, or ``None``."""
    return next((name for name, (mmseg, *_) in HOSTS.items() if version(mmseg)), None)


def host_problem() -> str | None:
    """Why the host cannot be imported and what to do about it, one line, or ``None`` if it can."""
    for module in ('torch', 'mmengine', 'mmcv', 'mmseg', 'ftfy', 'regex'):
        if importlib.util.find_spec(module) is None:
            return f'the module {module} is missing: {INSTALL}'
    mmcv = version('mmcv') or version('mmcv-lite')
    if host_name() == 'OpenMMLab' and mmcv and tuple(map(int, mmcv.split('.')[:2])) >= (2, 2):
        return f'mmsegmentation refuses mmcv {mmcv}: install mmcv 2.1.0 or mmcv-lite 2.1.0'
    return None


def mim_folder(module: str) -> Path:
    """The ``.mim`` folder of an importable package: its configs and tools."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(f'the module {module} is missing: {INSTALL}')
    return Path(spec.origin).parent / '.mim'


@dataclass(frozen=True)
class Fix:
    """One workaround: its name, what it mends, when it can go, and the function that applies it where it is needed.

    ``apply`` returns whether the host needed it.
    """

    name: str
    broken: str
    delete_when: str
    apply: Callable[[], bool]


def apply_fixes() -> dict[str, bool]:
    """Apply each fix once; returns which of them this host needed."""
    return _applied()


@functools.cache
def _applied() -> dict[str, bool]:
    return {fix.name: fix.apply() for fix in FIXES}


# --- mmcv without compiled operators ---------------------------------------------------------------------------------


def _stub_compiled_ops() -> bool:
    if host_name() != 'OpenMMLab' or importlib.util.find_spec('mmcv._ext') is not None:
        return False

    class Missing(types.ModuleType):
        def __getattr__(self, name: str) -> Callable:
            if name.startswith('__'):
                raise AttributeError(name)

            def missing_op(*args: object, **kwargs: object) -> None:
                raise RuntimeError(f"mmcv's compiled operator {name} is missing: install the full mmcv instead of mmcv-lite")

            return missing_op

    stub = Missing('mmcv._ext')
    stub.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', loader=None)
    sys.modules['mmcv._ext'] = stub
    return True


# --- configs of installed packages -----------------------------------------------------------------------------------


def _resolve_package_configs() -> bool:
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    original = Config._get_cfg_path

    def _get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        module, separator, path = cfg_path.partition('::')
        if not separator or module not in ('mmseg', __package__):
            return original(cfg_path, filename)
        # Our modules are registered in MMSegmentation's scope, so that is the scope of our configs too.
        return str(mim_folder(module) / 'configs' / path), 'mmseg'

    Config._get_cfg_path = staticmethod(_get_cfg_path)
    MODULE2PACKAGE[__package__] = __package__
    return True


# --- checkpoints -----------------------------------------------------------------------------------------------------


def _load_checkpoints_safely() -> bool:
    import torch
    from mmengine.runner.checkpoint import CheckpointLoader

    def load_from_local(filename: str, map_location: Any = None) -> Any:
        path = Path(filename).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f'{filename}: there is no such checkpoint')
        with torch.serialization.safe_globals(_checkpoint_types()):
            return torch.load(path, map_location=map_location, weights_only=True)

    original = CheckpointLoader.load_checkpoint.__func__

    def load_checkpoint(cls: type, filename: str, map_location: Any = None, logger: Any = 'current') -> Any:
        with _forced_weights_only():  # the loaders of remote schemes call torch.load in their own ways
            try:
                return original(cls, filename, map_location, logger)
            except pickle.UnpicklingError as error:
                code = re.search(r'GLOBAL (\S+)', str(error))
                what = f'would run {code[1]}' if code else 'is not a plain checkpoint'
                raise InputError(f'{filename}: refused, loading it {what}; only weights and plain data are loaded') from error
            except FileNotFoundError:
                raise
            except (EOFError, OSError, RuntimeError) as error:  # what torch.load raises for files that are cut
                raise InputError(f'{filename}: not a readable checkpoint, or a truncated one: {_first_line(error)}') from error

    CheckpointLoader.register_scheme('', load_from_local, force=True)
    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    return True


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


@contextmanager
def _forced_weights_only() -> Iterator[None]:
    name = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
    before = os.environ.get(name)
    os.environ[name] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _checkpoint_types() -> list[Any]:
    """The few types beyond tensors and plain containers that MMEngine writes into a checkpoint, with their pickled names."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    core = np._core if hasattr(np, '_core') else np.core
    modules = ('numpy.core.multiarray', 'numpy._core.multiarray')  # NumPy 1 and 2 write different names
    dtypes = {type(np.dtype(t)) for t in (np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_)}

    def statistic(owner: type, name: str) -> Callable:
        # HistoryBuffer pickles its statistics as getattr(HistoryBuffer, 'min'); a free getattr would be a way to run code.
        if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
            raise pickle.UnpicklingError(f'GLOBAL getattr of {name}')
        return getattr(owner, name)

    return [
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        *dtypes,
        *((core.multiarray._reconstruct, f'{module}._reconstruct') for module in modules),
        *((core.multiarray.scalar, f'{module}.scalar') for module in modules),
        *((statistic, f'{module}.getattr') for module in ('builtins', '__builtin__')),
    ]


def _write_atomically() -> bool:
    from mmengine.fileio import LocalBackend

    def through_temporary_file(write: Callable) -> Callable:
        @functools.wraps(write)
        def put(self: Any, obj: Any, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
            temporary = f'{filepath}.tmp{os.getpid()}'
            try:
                write(self, obj, temporary, *args, **kwargs)
                Path(temporary).replace(filepath)
            finally:
                Path(temporary).unlink(missing_ok=True)

        return put

    LocalBackend.put = through_temporary_file(LocalBackend.put)
    LocalBackend.put_text = through_temporary_file(LocalBackend.put_text)
    return True


# --- training and testing without a GPU, or with one score map --------------------------------------------------------


def _allow_amp_on_cpu() -> bool:
    import torch
    from mmengine.device import get_device

    if get_device() != 'cpu':
        return False
    from mmengine.optim.optimizer import amp_optimizer_wrapper as host

    host.is_cuda_available = lambda: True  # read by one assertion, in AmpOptimWrapper.__init__
    # bfloat16, the CPU's autocast type, has float32's range and needs no loss scaling.
    host.GradScaler = lambda *args, **kwargs: torch.amp.GradScaler('cpu', enabled=False)
    return True


def _allow_launcher_on_cpu() -> bool:
    import torch.distributed
    from mmengine.device import get_device

    if get_device() != 'cpu':
        return False
    from mmengine.dist import utils as host

    def _init_dist_pytorch(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
        torch.distributed.init_process_group(backend='gloo', **kwargs)

    host._init_dist_pytorch = _init_dist_pytorch
    return True


def _average_probabilities_once() -> bool:
    from mmseg.models.segmentors import SegTTAModel

    original = SegTTAModel.merge_preds

    def merge_preds(self: Any, data_samples_list: list) -> list:
        if self.module.out_channels == 1:
            for sample in (sample for samples in data_samples_list for sample in samples):
                sample.seg_logits.data = sample.seg_logits.data.logit()  # undoes the sigmoid of postprocess_result
        return original(self, data_samples_list)

    SegTTAModel.merge_preds = merge_preds
    return True


FIXES = (
    Fix(
        'compiled-ops',
        'mmsegmentation 1.2.2 imports mmcv.ops, which mmcv-lite has no compiled code for; BiSeNet needs none of it',
        'mmsegmentation guards those imports, as onedl-mmsegmentation does',
        _stub_compiled_ops,
    ),
    Fix(
        'package-configs',
        "_base_ = 'mmseg::...' needs pkg_resources (mmengine 0.10.7), fails under onedl and for editable installs, and knows "
        'no other packages',
        'mmengine finds the configs of a package by importing it',
        _resolve_package_configs,
    ),
    Fix(
        'safe-checkpoints',
        'with torch >= 2.6 mmengine 0.10.7 cannot read its own checkpoints; onedl-mmengine reads any, running the code in them',
        'mmengine loads its checkpoints with weights_only=True and never without',
        _load_checkpoints_safely,
    ),
    Fix(
        'atomic-writes',
        'mmengine writes a checkpoint under its final name, so a killed run leaves half a file there',
        'mmengine writes to a temporary name and renames',
        _write_atomically,
    ),
    Fix(
        'amp-on-cpu',
        'AmpOptimWrapper refuses to start without an accelerator, though autocast has bfloat16 on CPUs',
        'mmengine allows AmpOptimWrapper on CPUs',
        _allow_amp_on_cpu,
    ),
    Fix(
        'launcher-on-cpu',
        '--launcher pytorch sets a CUDA device even where there is none',
        'mmengine starts the gloo backend on CPUs',
        _allow_launcher_on_cpu,
    ),
    Fix(
        'tta-one-map',
        "SegTTAModel applies the sigmoid a second time to a one-channel head's probabilities: all becomes foreground",
        'mmseg averages the probabilities as they are',
        _average_probabilities_once,
    ),
)
