"""Facts about the installed host, found without importing it where possible."""

import importlib
import importlib.metadata
import importlib.util
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import reason_of

INSTALL = "run pip install -c .ci/constraints.txt -e '.[openmmlab,mmcv-lite]' in a checkout of mmseg-bisenet-lite"

HEADLESS = 'run pip install -c .ci/constraints.txt --force-reinstall --no-deps opencv-python-headless'

# Host -> its distributions on the package index: mmsegmentation, mmengine, and the choices of mmcv.
HOSTS = {
    'OpenMMLab': ('mmsegmentation', 'mmengine', ('mmcv', 'mmcv-lite')),
    'onedl': ('onedl-mmsegmentation', 'onedl-mmengine', ('onedl-mmcv',)),
}


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution, or ``None``."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def host_name() -> str | None:
    """Return the key of ``HOSTS`` whose mmsegmentation is installed, or ``None``."""
    return next((name for name, (mmseg, *_) in HOSTS.items() if version(mmseg)), None)


def host_problem() -> str | None:
    """Return why the host cannot be imported and what to do, in one line; ``None`` if it can be imported."""
    for module in ('torch', 'mmengine', 'mmcv', 'mmseg', 'ftfy', 'regex'):
        if importlib.util.find_spec(module) is None:
            return f'the module {module} is missing: {INSTALL}'
    for module in ('torch', 'cv2', 'mmengine', 'mmcv'):  # each needs the one before it
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:  # PyTorch loads its libraries by itself
            libraries = f'; {HEADLESS}' if module == 'cv2' else ''
            return f'the module {module} cannot be imported: {reason_of(error)}{libraries}'
    mmcv = version('mmcv') or version('mmcv-lite')
    if host_name() == 'OpenMMLab' and mmcv and tuple(map(int, mmcv.split('.')[:2])) >= (2, 2):
        return f'mmsegmentation refuses mmcv {mmcv}: install mmcv 2.1.0 or mmcv-lite 2.1.0'
    return None


def mim_folder(module: str) -> Path:
    """Return the ``.mim`` folder of an importable package, with its configs and tools."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(f'the module {module} is missing: {INSTALL}')
    return Path(spec.origin).parent / '.mim'


def require_host() -> None:
    """Raise an :class:`InputError` that says what to install if MMSegmentation cannot be imported."""
    problem = host_problem()
    if problem:
        raise InputError(problem)
