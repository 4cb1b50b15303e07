import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.compat import host


def test_a_missing_host_is_one_clear_line(tmp_path):
    # A new interpreter that has our package, NumPy, which its core needs, and nothing else.
    for module in ('numpy', 'numpy.libs'):
        (tmp_path / module).symlink_to(Path(np.__file__).parents[1] / module)
    code = (
        'import sys; sys.path = [p for p in sys.path if "site-packages" not in p] + sys.argv[1:]\n'
        'import mmseg_bisenet_lite as m\n'
        'try: m.LiteVGG\n'
        'except ImportError as error: print(error)'
    )
    root = compat.mim_folder('mmseg_bisenet_lite').parents[1]
    command = [sys.executable, '-I', '-c', code, str(root), str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.strip() == f'LiteVGG needs MMSegmentation: the module torch is missing: {host.INSTALL}'


def test_a_newer_mmcv_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(host, 'version', {'mmsegmentation': '1.2.2', 'mmcv': '2.2.0'}.get)
    assert compat.host_problem() == 'mmsegmentation refuses mmcv 2.2.0: install mmcv 2.1.0 or mmcv-lite 2.1.0'


@pytest.mark.parametrize(
    ('module', 'error'),
    [('cv2', ImportError('libGL.so.1: cannot open shared object file')), ('torch', OSError('libcudart.so.13: cannot open'))],
)
def test_a_module_that_does_not_import_is_named(monkeypatch, module, error):
    def broken(name):
        if name == module:
            raise error

    monkeypatch.setattr(importlib, 'import_module', broken)
    assert compat.host_problem().startswith(f'the module {module} cannot be imported: {error}')
