"""Fixes for importing the host and for finding the configs of packages."""

import functools
import importlib.machinery
import importlib.util
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix
from mmseg_bisenet_lite.compat.host import host_name, mim_folder

OURS = 'mmseg_bisenet_lite'


class Missing(types.ModuleType):
    """Stands for MMCV's module of compiled operators, which fail when they are called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing_op(*args: object, **kwargs: object) -> None:
            raise RuntimeError(f"mmcv's compiled operator {name} is missing: install the full mmcv instead of mmcv-lite")

        return missing_op


@fix(
    'compiled-ops',
    broken='mmsegmentation 1.2.2 imports mmcv.ops, but mmcv-lite has no compiled operators; BiSeNet needs none of them',
    versions='mmsegmentation 1.2.2 with mmcv-lite',
    delete_when='mmsegmentation guards those imports, as onedl-mmsegmentation does',
)
def _stub_compiled_ops() -> bool:
    if host_name() == 'onedl' or importlib.util.find_spec('mmcv._ext') is not None:
        return False

    stub = Missing('mmcv._ext')
    stub.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', loader=None)
    sys.modules['mmcv._ext'] = stub
    return True


def load_in_worker(*args: Any, **kwargs: Any) -> None:
    """Run PyTorch's loop of a data-loading worker, where naming this function has imported this package first."""
    _worker_loop(*args, **kwargs)


_worker_loop: Callable


@fix(
    'spawned-workers',
    broken=(
        "data-loading workers that are spawned, as on macOS and Windows, import mmsegmentation's data sets without this "
        'package, and so without compiled-ops'
    ),
    versions='mmsegmentation 1.2.2 with mmcv-lite',
    delete_when='compiled-ops can be removed',
)
def _import_in_workers() -> bool:
    if not isinstance(sys.modules.get('mmcv._ext'), Missing):
        return False
    from torch.utils.data._utils import worker

    global _worker_loop
    _worker_loop = worker._worker_loop
    # A process gets the name of its function before the data set, so the package is imported when the data set needs mmseg.
    worker._worker_loop = load_in_worker
    return True


@fix(
    'package-configs',
    broken=(
        "_base_ = 'mmseg::...' needs pkg_resources (mmengine 0.10.7), fails with onedl and with editable "
        'installs, and does not work for other packages'
    ),
    versions='mmengine 0.10.7 with setuptools >= 82; onedl-mmengine 0.10.12',
    delete_when='mmengine finds the configs of a package by importing it',
)
def _resolve_package_configs() -> bool:
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    original = Config._get_cfg_path

    def _get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        module, separator, path = cfg_path.partition('::')
        if not separator or module not in ('mmseg', OURS):
            return original(cfg_path, filename)
        # Our modules are registered in MMSegmentation's scope, so our configs get that scope too.
        return str(mim_folder(module) / 'configs' / path), 'mmseg'

    Config._get_cfg_path = staticmethod(_get_cfg_path)
    MODULE2PACKAGE[OURS] = OURS
    return True


@fix(
    'configs-in-threads',
    broken='Python 3.11 may fail with a SystemError (AST constructor recursion depth mismatch) where two threads read configs',
    versions='mmengine 0.10.7 and onedl-mmengine 0.10.12 with Python 3.11.7',
    delete_when='no supported Python has CPython issue 106905',
)
def _read_configs_one_after_another() -> bool:
    from mmengine.config import Config

    original, lock = Config.fromfile, threading.RLock()  # a config may read another one

    @functools.wraps(original)
    def fromfile(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return original(*args, **kwargs)

    Config.fromfile = staticmethod(fromfile)
    return True
