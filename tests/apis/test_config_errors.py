import runpy
import sys

import pytest
from mmengine.registry import HOOKS, OPTIMIZERS, Registry

from mmseg_bisenet_lite.apis.config_errors import errors_of_config
from mmseg_bisenet_lite.apis.host_tools import run_host_tool
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize(
    ('registry', 'config', 'message'),
    [
        (HOOKS, dict(type='CheckpointHook', save_best='mIuO'), 'the rule for key mIuO'),
        (HOOKS, dict(type='Absent'), 'KeyError: .Absent is not in the mmseg::hook registry'),
        (OPTIMIZERS, dict(type='SGD', lr='fast', params=[]), 'TypeError: '),
    ],
)
def test_what_cannot_be_built_is_one_line_with_the_config(registry, config, message):
    with (
        pytest.raises(InputError, match=rf'^c\.py: nothing can be built .*{message}') as error,
        errors_of_config('c.py'),
    ):
        registry.build(config)
    assert '\n' not in str(error.value)


def test_other_errors_keep_their_traceback():
    class Mine:
        def __init__(self):
            raise ValueError('a mistake in code of mine')

    registry = Registry('hook', scope='test', locations=[])
    registry.register_module(module=Mine)
    with pytest.raises(ValueError, match='of mine') as error, errors_of_config('c.py'):
        registry.build(dict(type='Mine'))
    assert not isinstance(error.value, InputError)
    with pytest.raises(KeyError) as error, errors_of_config('c.py'):
        dict()['in training']
    with pytest.raises(InputError, match=r'^named$'), errors_of_config('c.py'):
        raise InputError('named')


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_the_tools_name_their_config(small_config, tmp_path, monkeypatch, tool):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runpy, 'run_path', lambda path, run_name: HOOKS.build(dict(type='Absent')))
    monkeypatch.setattr(sys, 'argv', [f'{tool}.py', str(small_config), *(['a.pth'] if tool == 'test' else [])])
    with pytest.raises(InputError, match=f'^{small_config}: nothing can be built .*Absent'):
        run_host_tool(tool)
