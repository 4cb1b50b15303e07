import pytest
from mmengine.config import Config

from mmseg_bisenet_lite.apis.cfg_options import parse_options
from mmseg_bisenet_lite.apis.host_tools import for_host
from mmseg_bisenet_lite.apis.training import guarding_options
from mmseg_bisenet_lite.utils.errors import InputError

GUARDS = ['--cfg-options', *guarding_options(Config())]
HOOK = ['default_hooks.threshold.type=ThresholdHook', 'default_hooks.threshold.use=best']

LAZY = """
from mmengine.config import read_base
with read_base():
    from .base import *
from mmseg_bisenet_lite import AutoAmpOptimWrapper
optim_wrapper = dict(type=AutoAmpOptimWrapper)
"""


def host_arguments(tool, arguments):
    return for_host(tool, arguments)[0]


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
        (['c.py', 'a.pth', '--of-a-newer-host', '--out=o'], ['c.py', 'a.pth', '--out', 'o', '--of-a-newer-host']),
        (['c.py', 'a.pth', '--show', '--wait-time', '1'], ['c.py', 'a.pth', '--show', '--wait-time', '1']),
        (['c.py', 'a.pth', '--out=-o'], ['c.py', 'a.pth', '--out=-o']),
        (['c.py', 'a.pth', '--cfg-options', 'a=1', '--cfg-options', 'b=2'], ['c.py', 'a.pth', '--cfg-options', 'a=1', 'b=2']),
        (['c.py', 'a.pth', '--cfg-options', 'model.file=b.onnx'], ['c.py', 'a.pth', '--cfg-options', 'model.file=b.onnx']),
    ],
)
def test_options_of_ours_become_options_of_the_config(arguments, expected):
    assert host_arguments('test', arguments) == expected


@pytest.mark.parametrize('value', ['', 'worst', 'nan', 'inf', 'recall=95'])
def test_what_is_no_threshold_is_named(value, capsys):
    with pytest.raises(SystemExit, match='2'):
        host_arguments('test', ['c.py', 'a.pth', f'--threshold={value}'])
    assert f"argument --threshold: threshold '{value}': give 'best' or a number" in capsys.readouterr().err


def test_a_recall_is_a_threshold(small_config, capsys):
    arguments = [str(small_config), 'a.pth', '--recall', '0.95']
    assert changed('test', arguments, small_config).default_hooks.threshold == dict(type='ThresholdHook', use='recall=0.95')
    for wrong in (['--recall', '95'], ['--recall', '0.9', '--threshold', 'best']):
        with pytest.raises(SystemExit, match='2'):
            host_arguments('test', ['c.py', 'a.pth', *wrong])
    assert 'argument --threshold: not allowed with argument --recall' in capsys.readouterr().err


def test_an_exported_file_takes_the_networks_place(tmp_path):
    file = tmp_path / 'a.onnx'
    with pytest.raises(InputError, match=r'a\.onnx: there is no such file'):
        host_arguments('test', ['c.py', str(file)])
    file.touch()
    model = ['model._delete_=True', 'model.type=ExportedSegmentor', f"model.file='{file}'"]
    expected = ['c.py', str(file), '--out', 'o', '--cfg-options', *model, 'a=1']
    assert host_arguments('test', ['c.py', str(file), '--out', 'o', '--cfg-options', 'a=1']) == expected
    moved = host_arguments('test', ['c.py', str(file), '--threshold', 'recall=0.9'])
    assert moved == ['c.py', str(file), '--cfg-options', *model, 'model.threshold=recall=0.9']
    with pytest.raises(InputError, match='--tta '):
        host_arguments('test', ['c.py', str(file), '--tta'])


def test_amp_is_left_out_where_the_wrapper_mixes_by_itself(root, tmp_path, capsys):
    ours = str(root / 'configs' / 'lite_hinge_vehicle.py')
    assert host_arguments('train', [ours, '--amp', '--resume']) == [ours, '--resume', *GUARDS]
    assert 'AutoAmpOptimWrapper' in capsys.readouterr().out
    (tmp_path / 'base.py').write_text('default_scope = "mmseg"')
    full = 'mmseg_bisenet_lite.engine.auto_amp_optim_wrapper.AutoAmpOptimWrapper'
    spellings = [(f'{kind[:5]}.py', f"optim_wrapper = dict(type='{kind}')") for kind in ('mmseg.AutoAmpOptimWrapper', full)]
    for name, content in (*spellings, ('lazy.py', LAZY)):
        (tmp_path / name).write_text(content)
        assert host_arguments('train', [str(tmp_path / name), '--amp']) == [str(tmp_path / name), *GUARDS]
    other = tmp_path / 'other.py'
    other.write_text("optim_wrapper = dict(type='OptimWrapper')")
    changed = 'optim_wrapper.type=OptimWrapper'
    assert host_arguments('train', [str(other), '--amp']) == [str(other), '--amp', *GUARDS]
    assert host_arguments('train', ['absent.py', '--amp']) == ['absent.py', '--amp']
    assert host_arguments('train', [ours, '--amp', '--cfg-options', changed]) == [ours, '--amp', *GUARDS, changed]


def changed(tool, arguments, config):
    """The config as the host reads it with the arguments that it is handed."""
    handed = host_arguments(tool, arguments)
    options = handed[handed.index('--cfg-options') + 1 :] if '--cfg-options' in handed else []
    config = Config.fromfile(config)
    config.merge_from_dict(parse_options(options))
    return config


@pytest.mark.parametrize('name', ['my models/NET.ONNX', 'a,b/net.onnx', "it's/[1],2 (a).xml", '"quoted", x/net.engine'])
def test_the_path_of_an_exported_file_arrives_whole(small_config, tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir()
    file.touch()
    assert changed('test', [str(small_config), str(file)], small_config).model == dict(type='ExportedSegmentor', file=str(file))


def test_paths_in_options_arrive_whole(small_config, tmp_path):
    folder = tmp_path / 'my data, mine'
    folder.mkdir()
    arguments = [str(small_config), '--cfg-options', f'train_dataloader.dataset.data_root={folder}', 'load_from=a b.pth']
    config = changed('train', arguments, small_config)
    assert config.train_dataloader.dataset.data_root == str(folder)
    assert config.load_from == 'a b.pth'


def test_a_threshold_puts_a_dropped_hook_back(small_config, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {str(small_config)!r}\ndefault_hooks = dict(threshold=None)')
    hook = changed('test', [str(config), 'a.pth', '--threshold', 'best'], config).default_hooks.threshold
    assert hook == dict(type='ThresholdHook', use='best')


@pytest.mark.parametrize('where', ['file', 'option'])
def test_a_config_that_resumes_is_resumed_in_training_only(small_config, tmp_path, where):
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {str(small_config)!r}\nresume = {where == "file"}')
    more = ['--cfg-options', 'resume=True'] if where == 'option' else []
    assert '--resume' in host_arguments('train', [str(config), *more])
    assert not changed('test', [str(config), 'a.pth', *more], config).resume


@pytest.mark.parametrize(
    ('tool', 'options', 'message'),
    [
        ('train', ['--work-dir', 'a', '--cfg-options', 'work_dir=b'], '--work-dir and --cfg-options work_dir contradict'),
        (
            'train',
            ['--amp', '--cfg-options', 'optim_wrapper.dtype=float32'],
            '--amp and optim_wrapper.dtype=float32',
        ),
        ('train', ['--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper'], '--amp replaces OptimWrapper, not Apex'),
        ('test', ['--cfg-options', 'load_from=b.pth'], 'load_from: the CHECKPOINT of the command line is tested'),
        ('test', ['--threshold', '1', '--cfg-options', 'default_hooks.threshold=None'], '--threshold and --cfg-options'),
        ('test', ['--wait-time', '1'], '--wait-time is for the windows of --show'),
        ('test', ['--show-dir', 'a', '--cfg-options', 'default_hooks.visualization=None'], '--show-dir needs visualization'),
        ('test', ['--out', 'a', '--cfg-options', 'test_evaluator=[]'], '--out needs one test_evaluator'),
    ],
)
def test_options_that_would_be_ignored_are_refused(small_config, tool, options, message):
    checkpoint = ['a.pth'] if tool == 'test' else []
    with pytest.raises(InputError, match=message):
        host_arguments(tool, [str(small_config), *checkpoint, *options])


def test_options_of_the_replaced_network_are_named(small_config, tmp_path):
    file = tmp_path / 'a.onnx'
    file.touch()
    with pytest.raises(InputError, match=r'model\.test_cfg\.mode: ExportedSegmentor takes no .test_cfg.'):
        host_arguments('test', [str(small_config), str(file), '--cfg-options', 'model.test_cfg.mode=slide'])


def test_variables_that_nothing_reads_are_named(small_config, tmp_path, capsys):
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {str(small_config)!r}\ncrop_size = (32, 32)')
    host_arguments('train', [str(config)])
    assert f'{config}: warning: nothing reads crop_size' in capsys.readouterr().err
