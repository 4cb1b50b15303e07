"""Workarounds for faults of the host toolboxes, and nothing else.

Two hosts provide ``mmseg``, ``mmengine`` and ``mmcv``: OpenMMLab's distributions, and onedl's maintained forks of them.
``python -m mmseg_bisenet_lite.doctor`` shows which fixes are active. No module here imports a host at its top, so the doctor
also runs if the host is missing or broken.
"""

from mmseg_bisenet_lite.compat import imports  # isort: skip  # the fixes apply in the order of these lines
from mmseg_bisenet_lite.compat import checkpoints  # isort: skip
from mmseg_bisenet_lite.compat import saving  # isort: skip
from mmseg_bisenet_lite.compat import resume  # isort: skip
from mmseg_bisenet_lite.compat import cpu  # isort: skip
from mmseg_bisenet_lite.compat import scores  # isort: skip
from mmseg_bisenet_lite.compat import hooks  # isort: skip
from mmseg_bisenet_lite.compat import options  # isort: skip
from mmseg_bisenet_lite.compat import images  # isort: skip
from mmseg_bisenet_lite.compat.checkpoints import (
    check_finite,
    check_weights,
    keep_auxiliary_heads,
)
from mmseg_bisenet_lite.compat.fixes import FIXES, Fix, apply_fixes
from mmseg_bisenet_lite.compat.host import HOSTS, host_name, host_problem, mim_folder, require_host, version
from mmseg_bisenet_lite.compat.resume import saved_checkpoints, where_saved

__all__ = [
    'FIXES',
    'HOSTS',
    'Fix',
    'apply_fixes',
    'check_finite',
    'check_weights',
    'checkpoints',
    'cpu',
    'hooks',
    'host_name',
    'host_problem',
    'images',
    'imports',
    'keep_auxiliary_heads',
    'mim_folder',
    'options',
    'require_host',
    'resume',
    'saved_checkpoints',
    'saving',
    'scores',
    'version',
    'where_saved',
]
