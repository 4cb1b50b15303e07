"""tools/benchmark_train.py as the user runs it."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(root, *arguments, cwd):
    command = [sys.executable, str(root / 'tools' / 'benchmark_train.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['absent.py'], 'absent.py: there is no such config'),
        (['CONFIG', '--device', 'tpu'], '--device tpu: there is no such device'),
        (['CONFIG', '--part', 'loader,network'], "'network' is unknown; choose from loader, step, iteration"),
        (['CONFIG', '--json', 'nowhere/run.json'], 'nowhere/run.json: the folder nowhere does not exist'),
        (['CONFIG', '--part', 'loader', '--crop', '8x8'], '--crop is for --part step,iteration: add it, or drop the option'),
        (['CONFIG', '--part', 'step', '--cache-dir', 'a'], '--cache-dir is for --part loader: add it, or drop the option'),
        (['CONFIG', '--cfg-options', 'a'], "'a' is not KEY=VALUE"),
        (['CONFIG', '--part', 'loader', '--cache-dir', 'file'], "cache_dir='file': this folder cannot be created"),
    ],
)
def test_wrong_input_is_one_line(refused, small_config, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    assert message in refused('benchmark_train.py', *[small_config if a == 'CONFIG' else a for a in arguments])


def test_it_compares_with_the_host(root, small_config, tmp_path):
    arguments = ('--seconds', '0', '--batch', '2', '--crop', '96x64', '--workers', '1', '--device', 'cpu')
    files = ('--cache-dir', 'cache', '--json', 'run.json', '--markdown', 'run.md')
    done = run(root, small_config, *arguments, *files, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / 'run.json').read_text())
    assert content['settings']['crop'] == '96x64'
    assert content['settings']['loader_crop'] == '192x192'
    assert len(content['loader']) == 2
    for loaders in content['loader'].values():
        assert list(loaders) == ['mmseg', 'mmseg, 19 classes', 'ours', 'ours, cached']
        assert all(len(rounds) >= 6 and min(map(min, rounds)) > 0 for rounds in loaders.values())
    assert {who: len(rounds) >= 6 for who, rounds in content['step'].items()} == {'mmseg': True, 'ours': True}
    assert {who: set(found) for who, found in content['iterations'].items()} == {'mmseg': {'1'}, 'ours': {'1'}}
    assert (tmp_path / 'cache').is_dir()
    for text in (done.stdout, (tmp_path / 'run.md').read_text()):
        assert 'step, batch 2 of 96x64' in text
        assert 'whole iterations' in text
        assert 'time of each part of a step' in text
