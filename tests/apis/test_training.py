import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmseg_bisenet_lite.apis import host_tools
from mmseg_bisenet_lite.apis.cfg_options import parse_options
from mmseg_bisenet_lite.apis.training import guarding_options, work_dir_of_one_training
from mmseg_bisenet_lite.compat import where_saved
from mmseg_bisenet_lite.utils.errors import InputError


def test_checkpoints_of_an_earlier_training_are_resumed_or_set_aside(tmp_path, capsys):
    folder = tmp_path / 'new' / 'run'
    with work_dir_of_one_training(folder, resume=False):
        pass
    assert capsys.readouterr().out == ''
    saved = {'best_mIoU_iter_5.pth', 'iter_10.pth', 'iter_20.pth', 'last_checkpoint'}
    for name in (*saved, 'iter_30.pth.tmp', 'last_checkpoint.tmp', 'notes.tmp'):
        (folder / name).write_text(name)
    with work_dir_of_one_training(folder, resume=True):
        assert {path.name for path in folder.iterdir()} == {*saved, 'notes.tmp', 'train.lock'}
    with work_dir_of_one_training(folder, resume=False):
        assert {path.name for path in folder.iterdir()} == {'earlier-1', 'notes.tmp', 'train.lock'}
        (folder / 'iter_10.pth').write_text('new')
    assert '3 checkpoints of an earlier training are now in earlier-1; --resume would' in capsys.readouterr().out
    with work_dir_of_one_training(folder, resume=False):
        pass
    assert {path.name: path.read_text() for path in (folder / 'earlier-1').iterdir()} == {name: name for name in saved}
    assert (folder / 'earlier-2' / 'iter_10.pth').read_text() == 'new'


def test_they_are_set_aside_wherever_and_however_they_are_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hook = dict(out_dir='elsewhere', filename_tmpl='step-{:04d}.pth')
    (tmp_path / 'mine.py').write_text(f'default_hooks = dict(checkpoint={hook})')
    monkeypatch.setattr(host_tools.runpy, 'run_path', lambda *_, **__: None)
    saved = [Path('elsewhere/mine/step-0010.pth'), Path('elsewhere/mine/iter_5.pth'), Path('work_dirs/mine/last_checkpoint')]
    for file in (*saved, Path('elsewhere/mine/step-0020.pth.tmp')):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.name)
    monkeypatch.setattr(sys, 'argv', ['train.py', 'mine.py'])
    host_tools.run_host_tool('train')
    aside = Path('elsewhere/mine/earlier-1')
    assert {*Path('elsewhere/mine').iterdir()} == {aside, Path('elsewhere/mine/train.lock')}
    assert {file.name for file in aside.iterdir()} == {file.name for file in saved}
    assert not saved[-1].exists()


def test_a_second_training_in_a_folder_is_refused_and_ranks_are_not(tmp_path, monkeypatch):
    with work_dir_of_one_training(tmp_path, resume=False):
        with pytest.raises(InputError, match='another process is training here'), work_dir_of_one_training(tmp_path, True):
            pass
        monkeypatch.setenv('RANK', '1')
        with work_dir_of_one_training(tmp_path, resume=False, launcher='pytorch'):
            pass
        with pytest.raises(InputError, match='another process'), work_dir_of_one_training(tmp_path, True, launcher='none'):
            pass


def test_two_trainings_that_save_into_one_folder_are_refused(tmp_path):
    first, second = (work_dir_of_one_training(tmp_path / each / 'run', False, out_dir=str(tmp_path)) for each in 'ab')
    with first, pytest.raises(InputError, match=f'{tmp_path}/run: another process is training here'), second:
        pass


@pytest.mark.parametrize(('folder', 'out_dir'), [('../run', None), ('work_dirs/run', 'work_dirs'), ('link', None)])
def test_one_folder_in_two_spellings_is_locked_once(tmp_path, monkeypatch, folder, out_dir):
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    Path('link').symlink_to(tmp_path)
    with work_dir_of_one_training(Path(folder), False, out_dir=out_dir):
        assert Path(folder, 'train.lock').is_file()


def test_where_checkpoints_are_saved(tmp_path, monkeypatch):
    """As MMEngine's CheckpointHook, which compares with the absolute path, as text."""
    monkeypatch.chdir(tmp_path)
    for work_dir, out_dir, folder in (
        ('x', None, tmp_path / 'x'),
        ('x', str(tmp_path / 'x'), tmp_path / 'x'),
        ('x', 'x', Path('x/x')),
        ('.', 'out', Path('out') / tmp_path.name),
        ('a/..', 'out', Path('out') / tmp_path.name),
        ('x', 's3://bucket/out', tmp_path / 'x'),
    ):
        assert where_saved(Path(work_dir), out_dir, None)[0] == folder


@pytest.mark.parametrize('launched', ['', 'work_dir="by, option"'])
def test_the_tool_guards_the_work_dir_that_the_host_will_use(tmp_path, monkeypatch, launched):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine.py').write_text('a = 1\ndefault_hooks = dict(graceful_stop=None)\n')
    seen = []

    def run_path(path, run_name):
        seen.extend(sys.argv[1:])
        assert Path('by, option' if launched else 'work_dirs/mine', 'train.lock').is_file()

    monkeypatch.setattr(host_tools.runpy, 'run_path', run_path)
    options = ['--cfg-options', launched] if launched else []
    monkeypatch.setattr(sys, 'argv', ['train.py', 'mine.py', *options])
    host_tools.run_host_tool('train')
    hook = 'default_hooks.finite_training.type=mmseg.FiniteTrainingHook'
    assert seen == ['mine.py', '--cfg-options', hook, *([launched] if launched else [])]


def test_every_config_gets_the_hooks_that_guard_it():
    options = guarding_options(Config(dict(default_hooks=dict(logger=dict(type='LoggerHook')))))
    assert [option.partition('=')[2] for option in options] == ['mmseg.FiniteTrainingHook', 'mmseg.GracefulStopHook']
    assert guarding_options(Config(dict(a=1))) == options
    without = Config(dict(default_hooks=None))
    without.merge_from_dict(parse_options(guarding_options(without)))
    assert {*without.default_hooks} == {'finite_training', 'graceful_stop'}
