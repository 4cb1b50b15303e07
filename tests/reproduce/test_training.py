"""With trainings that are processes which do nothing but wait."""

import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from mmseg_bisenet_lite.reproduce import Run, reproduce, runner, training
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import alone_in

RUNS = [Run('lite', loss, 'vehicle', seed) for seed in (0, 1) for loss in ('ce', 'hinge')]

# Argument: the training's folder. Waits for a file named "end" there, or saves when it is asked to stop.
PATIENT = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def save(*_):
    time.sleep(0.5)
    (folder / 'saved').touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
(folder / 'ready').touch()
until = time.monotonic() + 60
while not (folder / 'end').exists() and time.monotonic() < until:
    time.sleep(0.01)
"""


@pytest.fixture
def patient(monkeypatch):
    """Trainings are processes that do nothing but wait."""
    plain = training._start

    def start(command, **options):
        return plain([sys.executable, '-c', PATIENT, command[command.index('--work-dir') + 1]], **options)

    monkeypatch.setattr(training, '_start', start)
    monkeypatch.setattr(runner, '_finish', lambda run, training: SimpleNamespace(run=run))


def soon(condition):
    """Wait until it is true, for at most half a minute."""
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize('jobs', [1, 2])
def test_trainings_may_save_before_the_tool_ends(patient, tmp_path, jobs):
    def interrupt():
        soon(lambda: len([*tmp_path.glob('*/*/ready')]) == jobs)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        reproduce(RUNS, 'camvid', tmp_path, 400, jobs=jobs)
    assert len([*tmp_path.glob('*/*/saved')]) == jobs
    assert len([*tmp_path.glob('*/*/train.log')]) == jobs  # no other one was begun


def test_an_error_lets_the_other_trainings_end(patient, tmp_path, monkeypatch):
    finished = []

    def finish(run, training):
        finished.append(run)
        if run == RUNS[0]:
            folders[1].joinpath('end').touch()
            raise InputError('no memory left for its tests')

    monkeypatch.setattr(runner, '_finish', finish)
    folders = [tmp_path / run.name / f'seed{run.seed}' for run in RUNS]

    def end_the_first():
        soon(lambda: all(folder.joinpath('ready').exists() for folder in folders[:2]))
        folders[0].joinpath('end').touch()

    threading.Thread(target=end_the_first, daemon=True).start()
    with pytest.raises(InputError, match='no memory left for its tests'):
        reproduce(RUNS[:2], 'camvid', tmp_path, 400, jobs=2)
    assert finished == RUNS[:2]
    assert not [*tmp_path.glob('*/*/saved')]  # none was asked to stop


def test_a_folder_that_is_taken_lets_the_other_trainings_end(patient, tmp_path):
    folders = [tmp_path / run.name / f'seed{run.seed}' for run in RUNS]
    folders[1].mkdir(parents=True)

    def end_the_first():
        soon(lambda: folders[0].joinpath('ready').exists())
        folders[0].joinpath('end').touch()

    threading.Thread(target=end_the_first, daemon=True).start()
    with alone_in(folders[1], training.LOCK), pytest.raises(InputError, match='another process is training here'):
        reproduce(RUNS, 'camvid', tmp_path, 400, jobs=2)
    assert [folder.joinpath('ready').exists() for folder in folders] == [True, False, False, False]
    assert not [*tmp_path.glob('*/*/saved')]
