"""With a trainer and a benchmark that take no time; tests/tools/test_search.py trains."""

from types import SimpleNamespace

import pytest
import torch

from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.reproduce.training import Training
from mmseg_bisenet_lite.search import SearchConfig, candidates_of, runner, search
from mmseg_bisenet_lite.utils.errors import InputError

CONFIGS = mim_folder('mmseg_bisenet_lite') / 'configs' / 'camvid'
NANO, SMALL = (str(CONFIGS / f'lite-{size}_hinge_vehicle.py') for size in 'ns')
SCORES = {drive: dict(AP=50.0, fgIoU=30.0) for drive in ('0001TP', '0006R0')}


@pytest.fixture
def quick(monkeypatch):
    """What is trained fails if its title is in ``broken``; returns what was timed."""
    made = SimpleNamespace(trained=[], timed=[], broken=(), no_speed=None)

    def start(training, lock, env):
        made.trained.append(training.title)
        (training.folder / 'made_with.json').write_text('{"torch": "2.13"}')
        return SimpleNamespace(returncode=0, poll=lambda: 0)

    def failure(training, status):
        return 'no memory' if training.title in made.broken else None

    def time_all(config, files, trainings, progress):
        if made.no_speed:
            raise InputError(made.no_speed)
        made.timed.append({name: training.title for name, training in trainings.items()})
        return None, []

    monkeypatch.setattr(Training, 'start', start)
    monkeypatch.setattr(Training, 'failure', failure)
    monkeypatch.setattr(runner, 'score', lambda *_: SCORES)
    monkeypatch.setattr(runner, 'time_all', time_all)
    monkeypatch.setattr(runner, 'check_networks', lambda *_: None)
    return made


def searched(tmp_path, *files, **options):
    return search(SearchConfig([*files], tmp_path, iters=200, engine=('openvino',), **options), lambda what, done: None)


def test_each_candidate_is_trained_from_each_seed_once(quick, tmp_path):
    one = searched(tmp_path, NANO, seeds=1)
    both = searched(tmp_path, NANO, SMALL, seeds=2)
    names = ['lite-n_hinge_vehicle, seed 0', 'lite-s_hinge_vehicle, seed 0', 'lite-n_hinge_vehicle, seed 1']
    assert quick.trained == [*names, 'lite-s_hinge_vehicle, seed 1']
    assert both.results[0] == one.results[0]
    assert [(each.candidate[:6], each.seed) for each in both.results] == [(n, s) for s in (0, 1) for n in ('lite-n', 'lite-s')]
    assert not both.failures


def test_trainings_run_side_by_side(quick, tmp_path, monkeypatch):
    asked = []
    plain = runner.train_all
    monkeypatch.setattr(runner, 'train_all', lambda *args: asked.append(args[-1]) or plain(*args))
    assert len(searched(tmp_path, NANO, seeds=2, jobs=2).results) == 2
    assert asked == [2]


def test_a_candidate_with_one_finished_training_is_timed(quick, tmp_path):
    quick.broken = ('lite-n_hinge_vehicle, seed 0', 'lite-s_hinge_vehicle, seed 0', 'lite-s_hinge_vehicle, seed 1')
    found = searched(tmp_path, NANO, SMALL, seeds=2)
    assert sorted(found.failures) == sorted(f'{each}, failed: no memory' for each in quick.broken)
    assert quick.timed == [{'lite-n_hinge_vehicle': 'lite-n_hinge_vehicle, seed 1'}]
    quick.broken = (*quick.broken, 'lite-n_hinge_vehicle, seed 1')
    assert searched(tmp_path / 'other', NANO, SMALL, seeds=2).speeds is None


def test_a_timing_that_fails_does_not_lose_the_trainings(quick, tmp_path):
    quick.no_speed = 'a network cannot be exported'
    found = searched(tmp_path, NANO, seeds=1)
    assert len(found.results) == 1
    assert found.failures == ['Not timed: a network cannot be exported']


def test_what_is_timed_is_what_is_trained(quick, tmp_path):
    """With the changes of the command line too."""
    from mmengine.config import Config

    searched(tmp_path, NANO, seeds=1, cfg_options={'model.backbone.out_channels': 40, 'model.decode_head.channels': 8})
    timed = Config.fromfile(tmp_path / 'lite-n_hinge_vehicle' / 'lite-n_hinge_vehicle.py')
    assert (timed.model.backbone.out_channels, timed.model.decode_head.channels) == (40, 8)


def test_a_search_that_is_refused_leaves_the_configs_of_the_other_one(quick, tmp_path):
    """Another one may be training there, and reads them for its timing."""
    searched(tmp_path, NANO, seeds=1)
    file = tmp_path / 'lite-n_hinge_vehicle' / 'lite-n_hinge_vehicle.py'
    before = file.read_text()
    with pytest.raises(InputError, match='trained with another config'):
        searched(tmp_path, NANO, seeds=1, cfg_options={'model.backbone.out_channels': 40})
    assert file.read_text() == before
    assert not [*tmp_path.glob('.check-*')]


def test_the_head_of_the_target_is_scored(tmp_path, monkeypatch):
    """Two heads whose weights tell them apart."""
    (candidate,) = candidates_of(SearchConfig([NANO], tmp_path, iters=200))
    training = SimpleNamespace(folder=tmp_path, checkpoint=tmp_path / 'iter_200.pth')
    weights = {'decode_head.conv_seg.bias': torch.tensor([8.0]), 'auxiliary_head.0.conv_seg.bias': torch.tensor([9.0])}
    torch.save({'state_dict': {**weights, 'auxiliary_head.1.conv_seg.bias': torch.tensor([1.0])}}, training.checkpoint)
    scored = []

    def scores_of(config, checkpoint, folder):
        bias = torch.load(checkpoint, weights_only=True)['state_dict']['decode_head.conv_seg.bias']
        (kind,) = {each.type for each in config.test_dataloader.dataset.datasets}
        scored.append((kind, config.model.decode_head.foreground[0], float(bias)))
        return {}

    monkeypatch.setattr(runner, 'scores_of', scores_of)
    for target in ('vehicle', 'human'):
        assert runner.score(candidate, training, target) == {'0001TP': {}, '0006R0': {}}
    assert scored == [('CamVidVehicleDataset', 8, 8.0)] * 2 + [('CamVidHumanDataset', 9, 9.0)] * 2
    assert [path.name for path in tmp_path.iterdir()] == ['iter_200.pth']
