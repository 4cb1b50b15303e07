import pytest
from mmengine.config import Config

from mmseg_bisenet_lite.benchmark.training import TrainingBenchmarkConfig, run, runner
from mmseg_bisenet_lite.benchmark.training.report import best_workers, report
from mmseg_bisenet_lite.benchmark.training.runner import with_crop
from mmseg_bisenet_lite.utils.errors import InputError


def test_another_crop_is_set_everywhere(small_config):
    config = Config.fromfile(small_config)
    changed = with_crop(config, (80, 48))
    assert changed.train_dataloader.dataset.pipeline[2].crop_size == (48, 80)
    assert changed.model.data_preprocessor.size == (48, 80)
    assert config.train_dataloader.dataset.pipeline[2].crop_size == (192, 192)
    del config.train_dataloader.dataset.pipeline[2]
    with pytest.raises(InputError, match='no step of the train pipeline has a crop_size'):
        with_crop(config, (80, 48))


def test_the_fewest_workers_that_are_as_good():
    def iterations(seconds):
        return [(seconds / 4, seconds * 3 / 4)] * 3

    assert best_workers({0: iterations(1.0), 1: iterations(0.51), 2: iterations(0.5), 4: iterations(0.52)}) == 1
    assert best_workers({0: iterations(1.0), 2: iterations(0.5)}) == 2
    assert best_workers({0: iterations(0.5), 1: iterations(0.5)}) == 0


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(config='absent.py'), 'absent.py: there is no such config'),
        (dict(cfg_options={'train_dataloader.dataset.data_root': 'nowhere'}), 'nowhere.*: there is no such folder'),
        (
            dict(cfg_options={'train_dataloader.dataset.pipeline.9.crop_size': (1, 1)}),
            '--cfg-options: they do not fit',
        ),
    ],
)
def test_wrong_orders_are_named(small_config, changes, message):
    with pytest.raises(InputError, match=message):
        list(run(TrainingBenchmarkConfig(**{'config': str(small_config), 'part': ['loader'], **changes})))


def test_a_config_that_trains_nothing_is_named(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmseg::_base_/models/fast_scnn.py'")
    with pytest.raises(InputError, match='has no train_dataloader'):
        list(run(TrainingBenchmarkConfig(str(path))))


def test_a_config_without_a_crop_is_timed_at_its_own_size(small_config, tmp_path, monkeypatch):
    timed = []
    monkeypatch.setattr(runner, '_time_steps', lambda results, config, *_: timed.append(config) or [results])
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(small_config)!r}\ntrain_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))')
    for config, crop in ((small_config, '320x240'), (path, 'the full size')):
        *_, results = run(TrainingBenchmarkConfig(str(config), part=['step'], device='cpu'))
        assert results.settings['crop'] == crop
    assert timed[1].train_dataloader.dataset.pipeline == Config.fromfile(path).test_pipeline
    with pytest.raises(InputError, match='--crop 8x8: no step of the train pipeline has a crop_size'):
        list(run(TrainingBenchmarkConfig(str(path), part=['step'], device='cpu', crop=(8, 8))))


def test_a_wrapped_data_set_is_named(small_config, tmp_path):
    path = tmp_path / 'config.py'
    wrapped = "dict(_delete_=True, type='RepeatDataset', times=2, dataset=_base_.train_dataloader.dataset)"
    path.write_text(f'_base_ = {str(small_config)!r}\ntrain_dataloader = dict(dataset={wrapped})')
    with pytest.raises(InputError, match='dataset is RepeatDataset, which has no pipeline; give the data set that it wraps'):
        list(run(TrainingBenchmarkConfig(str(path), part=['loader'])))


@pytest.mark.parametrize('name', ['lite_hinge_human', 'lite-n_hinge_vehicle'])
def test_crops_that_look_for_the_foreground_are_left_out_and_told(drives, root, name):
    options = {'train_dataloader.dataset.data_root': str(drives), 'train_dataloader.dataset.pipeline.2.crop_size': (24, 32)}
    config = TrainingBenchmarkConfig(
        str(root / 'configs' / 'camvid' / f'{name}.py'), part=['loader'], batch=2, cfg_options=options, seconds=0
    )
    *_, results = run(config)
    assert len(results.loader) == 2
    assert any('foreground_prob' in line for line in report(results)[1])


def test_a_data_set_of_the_host_is_named(small_config, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = {str(small_config)!r}\ntrain_dataloader = dict(dataset=dict(type='mmseg.CityscapesDataset'))")
    with pytest.raises(InputError, match=r'dataset is mmseg\.CityscapesDataset; give a data set of this package'):
        list(run(TrainingBenchmarkConfig(str(path), part=['loader'])))
