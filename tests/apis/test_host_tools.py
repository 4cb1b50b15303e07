import pytest

from mmseg_bisenet_lite.apis.host_tools import host_arguments
from mmseg_bisenet_lite.utils.errors import InputError

HOOK = ['default_hooks.threshold.type=ThresholdHook', 'default_hooks.threshold.use=best']

LAZY = """
from mmengine.config import read_base
with read_base():
    from .base import *
from mmseg_bisenet_lite import AutoAmpOptimWrapper
optim_wrapper = dict(type=AutoAmpOptimWrapper)
"""


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['c.py', 'a.pth'], ['c.py', 'a.pth']),
        (['--work-dir', 'w', 'c.py', '--tta', 'a.pth'], ['c.py', 'a.pth', '--tta', '--work-dir', 'w']),
        (['c.py', 'a.pth', '--threshold', 'best', '--tta'], ['c.py', 'a.pth', '--tta', '--cfg-options', *HOOK]),
        (['c.py', 'a.pth', '--cfg-options', 'a=1', '--threshold=best'], ['c.py', 'a.pth', '--cfg-options', *HOOK, 'a=1']),
        (
            ['c.py', 'a.pth', '--local_rank=1', '--launcher', 'pytorch'],
            ['c.py', 'a.pth', '--launcher', 'pytorch', '--local-rank', '1'],
        ),
        (['c.py', 'a.pth', '--of-a-newer-host', '--wait-time=0'], ['c.py', 'a.pth', '--wait-time', '0', '--of-a-newer-host']),
        (['c.py', 'a.pth', '--cfg-options', 'model.file=b.onnx'], ['c.py', 'a.pth', '--cfg-options', 'model.file=b.onnx']),
    ],
)
def test_options_of_ours_become_options_of_the_config(arguments, expected):
    assert host_arguments('test', arguments) == expected


@pytest.mark.parametrize('value', ['', 'worst', 'nan', 'inf'])
def test_what_is_no_threshold_is_named(value):
    with pytest.raises(InputError, match=f"threshold '{value}': give 'best' or a number"):
        host_arguments('test', ['c.py', 'a.pth', f'--threshold={value}'])


def test_an_exported_file_takes_the_networks_place(tmp_path):
    file = tmp_path / 'a.onnx'
    with pytest.raises(InputError, match=r'a\.onnx: there is no such file'):
        host_arguments('test', ['c.py', str(file)])
    file.touch()
    model = ['model._delete_=True', 'model.type=ExportedSegmentor', f'model.file={file}']
    expected = ['c.py', str(file), '--out', 'o', '--cfg-options', *model, 'a=1']
    assert host_arguments('test', ['c.py', str(file), '--out', 'o', '--cfg-options', 'a=1']) == expected
    for option in (['--tta'], ['--threshold', 'best']):
        with pytest.raises(InputError, match=f'{option[0]} '):
            host_arguments('test', ['c.py', str(file), *option])


def test_amp_is_left_out_where_the_wrapper_mixes_by_itself(root, tmp_path, capsys):
    ours = str(root / 'configs' / 'lite_hinge_vehicle.py')
    assert host_arguments('train', [ours, '--amp', '--resume']) == [ours, '--resume']
    assert 'AutoAmpOptimWrapper' in capsys.readouterr().out
    (tmp_path / 'base.py').write_text('default_scope = "mmseg"')
    full = 'mmseg_bisenet_lite.engine.auto_amp_optim_wrapper.AutoAmpOptimWrapper'
    spellings = [(f'{kind[:5]}.py', f"optim_wrapper = dict(type='{kind}')") for kind in ('mmseg.AutoAmpOptimWrapper', full)]
    for name, content in (*spellings, ('lazy.py', LAZY)):
        (tmp_path / name).write_text(content)
        assert host_arguments('train', [str(tmp_path / name), '--amp']) == [str(tmp_path / name)]
    other = tmp_path / 'other.py'
    other.write_text("optim_wrapper = dict(type='OptimWrapper')")
    changed = ['--cfg-options', 'optim_wrapper.type=OptimWrapper']
    for arguments in ([str(other), '--amp'], ['absent.py', '--amp'], [ours, '--amp', *changed]):
        assert host_arguments('train', arguments) == arguments
