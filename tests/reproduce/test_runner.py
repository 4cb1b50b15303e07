"""With a trainer that takes no time; tests/test_tools_reproduce.py trains."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmseg_bisenet_lite.reproduce import Result, Run, reproduce, runner, save, training
from mmseg_bisenet_lite.utils import checkout
from mmseg_bisenet_lite.utils.errors import InputError

VAL = dict(img_path='val', seg_map_path='valannot')
RUNS = [Run('lite', loss, 'vehicle', seed) for seed in (0, 1) for loss in ('ce', 'hinge')]


def ended(status):
    """A process that has ended."""
    return SimpleNamespace(returncode=status, poll=lambda: status)


@pytest.fixture
def trained(monkeypatch):
    """The commands that were run; each writes what MMEngine writes, unless its name is in ``broken``."""
    commands = []

    def train(command, stdout, **options):
        folder = command[command.index('--work-dir') + 1]
        commands.append(command)
        if any(part in folder for part in train.broken):
            stdout.write('Traceback\nRuntimeError: no memory\n')
            (Path(folder) / 'iter_100.pth').touch()
            return ended(1)
        stem = 'late' if '--resume' in command else 'early'
        scalars = Path(folder) / stem / 'vis_data' / 'scalars.json'
        scalars.parent.mkdir(parents=True)
        found = [dict(mIoU=60.0 + step / 100, fgIoU=20.0, time=0.1, step=step) for step in (100, 200, 300, 400)]
        scalars.write_text('\n'.join(json.dumps(entry) for entry in [dict(loss=1.0, step=50), *found]))
        return ended(0)

    train.broken = []
    monkeypatch.setattr(training, '_start', train)
    train.commit = 'abc'
    monkeypatch.setattr(checkout, 'commit', lambda: train.commit)
    return train, commands


def test_each_training_is_run_once(trained, tmp_path):
    _, commands = trained
    told = []
    first, failed = reproduce(RUNS[:3], 'camvid', tmp_path, 400, progress=lambda what, done: told.append((what, done)))
    again, _ = reproduce(RUNS, 'camvid', tmp_path, 400)
    assert not failed
    assert len(commands) == 4
    assert first == again[:3]
    assert told[1] == ('training lite_hinge_vehicle, seed 0', 1 / 3)
    result = first[0]
    assert result.metrics == {'mIoU': 64.0, 'fgIoU': 20.0}
    assert result.curve == [(100, 61.0), (200, 62.0), (300, 63.0), (400, 64.0)]
    assert (tmp_path / 'lite_ce_vehicle' / 'seed0' / 'config.py').is_file()


def test_each_drive_has_a_folder_and_is_trained_once(trained, tmp_path):
    train, commands = trained
    train.broken = ['without-0006R0']
    runs = [Run('lite', 'hinge', 'vehicle', 0, drive) for drive in (None, '0001TP', '0006R0', '0016E5')]
    told = []
    done, failed = reproduce(runs, 'camvid', tmp_path, 400, progress=lambda what, share: told.append(what))
    assert told[1] == 'training lite_hinge_vehicle without 0001TP, seed 0'
    assert [result.run for result in done] == [runs[0], runs[1], runs[3]]
    assert list(failed) == [runs[2]]
    assert len({result.config for result in done}) == 3
    folder = tmp_path / 'lite_hinge_vehicle'
    assert sorted(path.name for path in folder.iterdir()) == ['seed0', 'without-0001TP', 'without-0006R0', 'without-0016E5']
    config = Config.fromfile(folder / 'without-0001TP' / 'seed0' / 'config.py')
    assert [part.drives for part in config.test_dataloader.dataset.datasets] == [['0001TP'], ['0001TP']]
    train.broken = []
    commands.clear()
    again, _ = reproduce(runs, 'camvid', tmp_path, 400)
    assert [result.run for result in again] == runs
    assert len(commands) == 1
    assert '--resume' in commands[0]


@pytest.mark.parametrize(
    'key',
    ['train_dataloader.dataset.drives', 'val_dataloader.dataset.data_prefix.img_path', 'test_dataloader.dataset.ann_file'],
)
def test_what_the_protocol_sets_cannot_be_set(trained, tmp_path, key):
    with pytest.raises(InputError, match=f'--cfg-options {key}: --protocol drives sets the folders and the drives'):
        reproduce([Run('lite', 'hinge', 'vehicle', 0, '0001TP')], 'camvid', tmp_path, 400, {key: '0006R0'})
    assert len(reproduce(RUNS[:1], 'camvid', tmp_path, 400, {key: '0006R0'})[0]) == 1


def test_what_is_trained_on_is_not_taken_for_a_test(trained, tmp_path, monkeypatch):
    """A network whose config trains on train and val has no scores on val, but on drives left out."""
    plain = Run.config

    def together(run, dataset, iterations):
        config = plain(run, dataset, iterations)
        parts = [config.train_dataloader.dataset, {**config.train_dataloader.dataset, **dict(data_prefix=VAL)}]
        config.train_dataloader.dataset = dict(type='ConcatDataset', datasets=parts)
        return config

    monkeypatch.setattr(Run, 'config', together)
    with pytest.raises(
        InputError, match='lite_ce_vehicle is trained on the photographs in val, which test it; give --protocol'
    ):
        reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    assert len(reproduce([Run('lite', 'ce', 'vehicle', 0, '0001TP')], 'camvid', tmp_path, 400)[0]) == 1


def test_a_failure_is_told_and_the_others_are_run_and_it_goes_on_there(trained, tmp_path):
    train, commands = trained
    train.broken = ['lite_ce_vehicle/seed0']
    done, failed = reproduce(RUNS, 'camvid', tmp_path, 400)
    assert [result.run for result in done] == RUNS[1:]
    assert list(failed) == RUNS[:1]
    assert 'RuntimeError: no memory (exit status 1; see ' in failed[RUNS[0]]
    train.broken = []
    commands.clear()
    assert len(reproduce(RUNS, 'camvid', tmp_path, 400)[0]) == 4
    assert len(commands) == 1
    assert '--resume' in commands[0]


def test_a_result_names_the_commit_that_was_trained(trained, tmp_path, monkeypatch):
    train, _ = trained
    train.broken = ['seed0']
    reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    train.broken, train.commit = [], 'def'
    (resumed, other), _ = reproduce([RUNS[0], RUNS[2]], 'camvid', tmp_path, 400)
    assert resumed.made_with['commit'] == 'abc and def'
    assert resumed.made_with['torch'] == torch.__version__
    assert other.made_with['commit'] == 'def'

    def commit_meanwhile(command, **options):
        train.commit = 'ghi'
        return train(command, **options)

    monkeypatch.setattr(training, '_start', commit_meanwhile)
    (result,), _ = reproduce(RUNS[1:2], 'camvid', tmp_path, 400)
    assert result.made_with['commit'] == 'def'


def test_nobody_else_trains_in_the_folder_while_the_training_lives(trained, tmp_path, monkeypatch):
    train, commands = trained
    held = []

    def outlive(command, pass_fds, **options):
        held.extend(map(os.dup, pass_fds))  # as the child has it, after the tool is gone
        return train(command, **options)

    train.broken = ['seed0']
    monkeypatch.setattr(training, '_start', outlive)
    reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    with pytest.raises(InputError, match='seed0: another process is training here'):
        reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    assert len(commands) == 1
    for descriptor in held:
        os.close(descriptor)
    train.broken = []
    assert len(reproduce(RUNS[:1], 'camvid', tmp_path, 400)[0]) == 1


def test_a_damaged_result_stops_before_anything_is_trained(trained, tmp_path):
    _, commands = trained
    reproduce(RUNS[1:2], 'camvid', tmp_path, 400)
    commands.clear()
    (file,) = tmp_path.glob('*/*/result.json')
    good = json.loads(file.read_text())
    for damaged in ('{"run":', json.dumps(good | {'metrics': {}})):
        file.write_text(damaged)
        with pytest.raises(InputError, match=r'result\.json: not a result'):
            reproduce(RUNS[:2], 'camvid', tmp_path, 400)
    file.write_text(json.dumps(good | {'config': 'other'}))
    with pytest.raises(InputError, match='was trained with another config'):
        reproduce(RUNS[:2], 'camvid', tmp_path, 400)
    assert not commands


def test_trainings_of_another_config_are_not_taken_for_these(trained, tmp_path):
    reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    for changed in (dict(iterations=800), dict(iterations=400, options={'optim_wrapper.optimizer.lr': 1})):
        with pytest.raises(InputError, match='seed0: was trained with another config or another --iters'):
            reproduce(RUNS[:1], 'camvid', tmp_path, **changed)


def test_a_training_that_failed_at_once_can_be_run_with_other_options(trained, tmp_path, monkeypatch):
    train, _ = trained
    monkeypatch.setattr(training, '_start', lambda command, **options: ended(1))
    _, failed = reproduce(RUNS[:1], 'camvid', tmp_path, 400, {'train_dataloader.batch_size': 999})
    assert list(failed) == RUNS[:1]
    monkeypatch.setattr(training, '_start', train)
    assert len(reproduce(RUNS[:1], 'camvid', tmp_path, 400)[0]) == 1
    train.broken = ['seed1']  # this one leaves a checkpoint
    reproduce(RUNS[2:3], 'camvid', tmp_path, 400)
    with pytest.raises(InputError, match='seed1: was trained with another config'):
        reproduce(RUNS[2:3], 'camvid', tmp_path, 800)


def test_what_somebody_else_trained_meanwhile_is_taken_only_if_it_is_the_same(trained, tmp_path):
    _, commands = trained

    def meanwhile(iterations):
        def progress(what, done):
            if what == 'training lite_hinge_vehicle, seed 0':
                reproduce(RUNS[1:2], 'camvid', tmp_path / str(iterations), iterations)

        return progress

    assert len(reproduce(RUNS[:2], 'camvid', tmp_path / '400', 400, progress=meanwhile(400))[0]) == 2
    assert len(commands) == 2
    with pytest.raises(InputError, match='was trained with another config or another --iters'):
        reproduce(RUNS[:2], 'camvid', tmp_path / '200', 400, progress=meanwhile(200))


def test_a_training_begun_by_nobody_knows_whom_says_so(trained, tmp_path):
    folder = tmp_path / 'lite_ce_vehicle' / 'seed0'
    folder.mkdir(parents=True)
    (folder / 'iter_100.pth').touch()
    (result,), _ = reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    assert result.made_with['commit'] == 'unknown and abc'
    (folder / 'result.json').unlink()
    (folder / 'made_with.json').write_text('{"commit":')
    with pytest.raises(InputError, match=r'made_with\.json: damaged'):
        reproduce(RUNS[:1], 'camvid', tmp_path, 400)


def test_a_last_validation_that_was_cut_off_is_made_up_for(trained, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(runner, 'scores_of', lambda config, file, folder: asked.append(file) or {'mIoU': 70.0})
    (result,), _ = reproduce(RUNS[:1], 'camvid', tmp_path, 500)
    assert result.metrics == {'mIoU': 70.0}
    assert result.curve[-1] == (500, 70.0)
    assert asked == [str(tmp_path / 'lite_ce_vehicle' / 'seed0' / 'iter_500.pth')]


def test_wrong_input_stops_before_anything_is_trained(trained, tmp_path):
    _, commands = trained
    reproduce(RUNS[1:2], 'camvid', tmp_path, 400)
    commands.clear()
    for arguments, message in (
        (dict(iterations=800), 'another --iters'),
        (dict(iterations=400, options={'randomness.seed': 5}), '--cfg-options randomness.seed: --seeds sets the seed'),
        (dict(iterations=400, options={'train_cfg.max_iters': 5}), '--cfg-options train_cfg.max_iters: --iters sets'),
        (dict(options={'work_dir': 'a'}), '--cfg-options work_dir: --out sets the folder'),
        (dict(options={'crop_size': (8, 8)}), 'change model.data_preprocessor.size, train_dataloader'),
        (
            dict(options={'train_cfg._delete_': True, 'train_cfg.type': 'EpochBasedTrainLoop', 'train_cfg.max_epochs': 3}),
            'the grid is trained by iterations',
        ),
        (dict(iterations=400, options={'param_scheduler.7.end': 5}), '--cfg-options: they do not fit'),
    ):
        with pytest.raises(InputError, match=message):
            reproduce(RUNS[:2], 'camvid', tmp_path, **arguments)
    assert not commands


def test_results_are_read_as_they_were_written(trained, tmp_path):
    (result,), _ = reproduce(RUNS[:1], 'camvid', tmp_path, 400)
    save(result, tmp_path / 'a.json')
    assert Result.load(tmp_path / 'a.json') == result
    for text in ('', '{}', '[]', '{"run": 3}'):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(InputError, match=r'a\.json: not a result'):
            Result.load(tmp_path / 'a.json')


@pytest.mark.parametrize(('jobs', 'threads'), [(1, None), (2, '4'), (9, '2')])
def test_as_many_trainings_run_side_by_side_as_asked_for(trained, tmp_path, monkeypatch, jobs, threads):
    """Each waits for as many others as may run beside it; one of them fails."""
    train, commands = trained
    train.broken = ['lite_hinge_vehicle/seed0']
    running, most, told, environments = [], [], [], []
    until = time.monotonic() + 30

    def start(command, env, **options):
        result = train(command, **options)
        running.append(command)
        most.append(len(running))
        environments.append(env)

        def poll():
            if len(most) < min(jobs, len(RUNS)):
                assert time.monotonic() < until
                return None
            running.remove(command)
            return result.returncode

        return SimpleNamespace(returncode=result.returncode, poll=poll)

    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(training, 'usable_cores', lambda: 8)
    monkeypatch.setattr(training, '_start', start)
    done, failed = reproduce(RUNS, 'camvid', tmp_path, 400, progress=lambda *what: told.append(what), jobs=jobs)
    assert max(most) == min(jobs, len(RUNS))
    assert [result.run for result in done] == [RUNS[0], *RUNS[2:]]
    assert list(failed) == RUNS[1:2]
    assert len(commands) == len(RUNS)
    assert told[1][0] == 'training lite_hinge_vehicle, seed 0' + ' and 1 more' * (jobs > 1)
    assert told[-1][1] == 3 / 4  # of one that still runs, or begins
    assert {env and env['OMP_NUM_THREADS'] for env in environments} == {threads}
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    train.broken = []
    reproduce(RUNS, 'camvid', tmp_path, 400, jobs=jobs)
    assert environments[-1] is None
