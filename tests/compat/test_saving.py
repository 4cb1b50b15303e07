"""What CheckpointHook leaves behind when a run ends in the midst of a save, and what it removes."""

import itertools
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmengine.runner.checkpoint import save_checkpoint as mmengine_save

HUBS = itertools.count()


class DiskFullError(OSError):
    pass


@pytest.fixture
def training(tmp_path):
    """A training without a network: ``save(step)`` and ``validate(step, score)`` do what MMEngine's loop does then."""

    def start(folder=tmp_path / 'run', info=None, **options):
        hook = CheckpointHook(by_epoch=False, **options)
        hub = MessageHub(f'hub {next(HUBS)}')
        for key, value in (info or {}).items():
            hub.update_info(key, value)
        folder.mkdir(exist_ok=True)
        runner = SimpleNamespace(work_dir=str(folder), message_hub=hub, epoch=0, iter=0)
        runner.logger = SimpleNamespace(info=lambda text: None)
        runner.breaks = False

        def save_checkpoint(out_dir, filename, *args, **kwargs):
            if runner.breaks:
                raise DiskFullError
            torch.save(dict(hub.runtime_info), Path(out_dir) / filename)

        runner.save_checkpoint = save_checkpoint
        hook.before_train(runner)

        def save(step):
            runner.iter = step - 1
            hook._save_checkpoint(runner)

        def validate(step, score):
            runner.iter = step
            hook.after_val_epoch(runner, dict(mIoU=score))

        return SimpleNamespace(
            save=save, validate=validate, runner=runner, hook=hook, files=lambda: sorted(p.name for p in folder.glob('*.pth'))
        )

    return start


def test_a_checkpoint_being_written_is_not_there_yet(tmp_path, monkeypatch):
    target = tmp_path / 'iter_1.pth'
    LocalBackend().put(b'old', str(target))

    class StopError(Exception):
        pass

    def stop(source, destination):
        assert target.read_bytes() == b'old'
        raise StopError

    monkeypatch.setattr(Path, 'replace', stop)
    with pytest.raises(StopError):
        LocalBackend().put(b'new', str(target))
    assert target.read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['iter_1.pth']
    monkeypatch.undo()
    LocalBackend().put(b'new', str(target))
    LocalBackend().put_text('text', str(tmp_path / 'notes'))
    assert target.read_bytes() == b'new'
    assert (tmp_path / 'notes').read_text() == 'text'


def test_the_older_checkpoint_stays_until_the_newer_one_is_whole(training):
    run = training(max_keep_ckpts=1)
    run.save(10)
    run.runner.breaks = True
    with pytest.raises(DiskFullError):
        run.save(20)
    assert run.files() == ['iter_10.pth']
    assert Path(run.runner.work_dir, 'last_checkpoint').read_text().endswith('iter_10.pth')
    run.runner.breaks = False
    run.save(20)
    assert run.files() == ['iter_20.pth']
    assert Path(run.runner.work_dir, 'last_checkpoint').read_text().endswith('iter_20.pth')
    run.save(30)
    assert run.files() == ['iter_30.pth']


def test_the_best_checkpoint_stays_until_a_better_one_is_whole(training):
    run = training(save_best='mIoU')
    run.save(10)
    run.validate(10, 50.0)
    run.runner.breaks = True
    with pytest.raises(DiskFullError):
        run.validate(20, 60.0)
    assert run.files() == ['best_mIoU_iter_10.pth', 'iter_10.pth']
    run.runner.breaks = False
    run.validate(30, 70.0)
    assert run.files() == ['best_mIoU_iter_30.pth', 'iter_10.pth', 'iter_30.pth']
    run.validate(40, 60.0)
    assert run.files() == ['best_mIoU_iter_30.pth', 'iter_10.pth', 'iter_30.pth']


def test_a_run_that_goes_on_removes_its_own_best_checkpoint(training):
    first = training(save_best='mIoU')
    first.save(10)
    first.validate(10, 50.0)
    second = training(save_best='mIoU', info=dict(first.runner.message_hub.runtime_info))
    second.save(20)
    second.validate(20, 60.0)
    assert second.files() == ['best_mIoU_iter_20.pth', 'iter_10.pth', 'iter_20.pth']


@pytest.mark.parametrize('name', ['other/best_mIoU_iter_10.pth', 'photos', 'run/notes.pth', 'run/link/best_mIoU_iter_10.pth'])
@pytest.mark.parametrize('key', ['best_ckpt', 'best_ckpt_mIoU'])
def test_nothing_that_the_hook_did_not_write_here_is_removed(training, tmp_path, name, key):
    for folder in ('other', 'photos', 'run'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'run' / 'link').symlink_to(tmp_path / 'other')
    victim = tmp_path / name
    if name == 'photos':
        (victim / 'a.jpg').touch()
    else:
        victim.touch()
    info = {key: str(victim), 'best_score': 0.0, 'best_score_mIoU': 0.0, 'best_score_fgIoU': 0.0}
    run = training(info=info, save_best='mIoU' if key == 'best_ckpt' else ['mIoU', 'fgIoU'], rule='greater')
    run.runner.iter = 20
    run.hook.after_val_epoch(run.runner, dict(mIoU=50.0, fgIoU=50.0))
    assert victim.exists()
    assert name != 'photos' or (victim / 'a.jpg').exists()
    assert 'best_mIoU_iter_20.pth' in run.files()


@pytest.mark.parametrize('steps', [['10/../../photos', 20], [[1], 2], 'ab', 7])
def test_steps_that_are_no_numbers_make_no_file_names(training, tmp_path, steps):
    (tmp_path / 'run' / 'iter_10').mkdir(parents=True)
    victim = tmp_path / 'photos.pth'
    victim.touch()
    run = training(max_keep_ckpts=1, info=dict(keep_ckpt_ids=steps, best_score='high'), save_best='mIoU')
    run.save(30)
    run.validate(30, 50.0)
    assert victim.exists()
    assert run.files() == ['best_mIoU_iter_30.pth', 'iter_30.pth']


def killed_at(point, training, folder):
    """Save four checkpoints; SIGKILL comes at the ``point``-th open, rename or removal of a file in the last two saves."""
    run = training(folder, max_keep_ckpts=1, save_best='mIoU')
    left = point

    def step(event, arguments):
        nonlocal left
        if run.runner.iter >= 2 and event in ('open', 'os.rename', 'os.remove') and str(folder) in str(arguments[0]):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    def save_checkpoint(out_dir, filename, *args, **kwargs):
        mmengine_save(dict(weights=torch.full((1000,), run.runner.iter)), str(Path(out_dir) / filename))

    sys.addaudithook(step)
    run.runner.save_checkpoint = save_checkpoint
    for number in range(1, 5):
        run.save(number)
        run.validate(number, float(number))


@pytest.mark.slow
def test_a_kill_at_any_point_of_a_save_leaves_checkpoints_that_load(training, tmp_path):
    for point in itertools.count(1):
        folder = tmp_path / str(point)
        child = os.fork()
        if not child:
            try:
                killed_at(point, training, folder)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != signal.SIGKILL:
            break
        for kind in ('iter_*.pth', 'best_*.pth'):
            saved = list(folder.glob(kind))
            assert saved
            assert all(len(torch.load(path)['weights']) == 1000 for path in saved)
        assert (folder / 'last_checkpoint').read_text()
    assert point > 20
    assert sorted(path.name for path in folder.glob('*.pth')) == ['best_mIoU_iter_4.pth', 'iter_4.pth']
