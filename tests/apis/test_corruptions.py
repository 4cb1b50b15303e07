import copy

import pytest
from mmengine.config import Config

from mmseg_bisenet_lite.apis.corruptions import Result, report, scores_under_corruptions
from mmseg_bisenet_lite.apis.host_tools import config_of_test
from mmseg_bisenet_lite.apis.scores import scores_of
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture
def config(small_config, small_checkpoint):
    options = ['test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
    return config_of_test(str(small_config), str(small_checkpoint), None, options)


def test_each_corruption_is_tested_alone(config, small_checkpoint, tmp_path):
    dump = dict(type='DumpResults', out_file_path=str(tmp_path / 'dump.pkl'))
    config.test_evaluator = [{**config.test_evaluator, 'curve': str(tmp_path / 'curve.json')}, dump]
    config.default_hooks.visualization = dict(type='SegVisualizationHook', draw=True, interval=1)
    # With a name of its own, since MMEngine keeps one visualizer of each name.
    config.visualizer.update(name='of_corruptions', vis_backends=[dict(type='LocalVisBackend')])
    before = copy.deepcopy(config.to_dict())
    told, written = [], []

    def progress(what, done):
        told.append((what, done))
        files = [file for ending in ('json', 'pkl', 'png') for file in sorted(tmp_path.glob(f'**/*.{ending}'))]
        written.append({file: file.read_bytes() for file in files if file.parent.name in (tmp_path.name, 'vis_image')})

    results = scores_under_corruptions(config, str(small_checkpoint), tmp_path / 'work', ['dark', 'jpeg'], progress=progress)
    progress('the end', 1)
    assert config.to_dict() == before
    assert [(each.kind, each.strength) for each in results] == [
        ('clean', None), ('dark', 0.5), ('dark', 0.3), ('jpeg', 20), ('jpeg', 7)
    ]  # fmt: skip
    assert told[0] == ('clean', 0)
    assert told[1][0] == 'dark, gain 0.5'
    assert told[-2] == ('jpeg, quality 7', 0.8)
    assert {file.suffix for file in written[1]} == {'.json', '.pkl', '.png'}
    assert written[1] == written[-1]  # the files of the clean photographs
    assert results[0].metrics == scores_of(config, str(small_checkpoint), tmp_path / 'clean')
    # All of them, since one may be the same by chance: the weights are random, and the scores are rounded.
    assert len({str(each.metrics) for each in results}) == 5

    # The same by hand: the transform right after the loader.
    alone = copy.deepcopy(config)
    alone.test_dataloader.dataset.pipeline.insert(1, dict(type='Corrupt', kind='jpeg', strength=20))
    alone.resume = True  # of a training; a test takes the weights that it is given
    assert scores_of(alone, str(small_checkpoint), tmp_path / 'alone') == results[3].metrics


def test_the_threshold_is_that_of_the_command(small_config, small_checkpoint, tmp_path):
    options = ['test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
    config = config_of_test(str(small_config), str(small_checkpoint), '1000', options)
    (clean,) = scores_under_corruptions(config, str(small_checkpoint), tmp_path, [])
    assert clean.metrics['recall'] == 0 < clean.metrics['AP']


def test_what_does_not_fit_is_named(config, small_checkpoint, tmp_path):
    with pytest.raises(InputError, match=r'no\.pth: there is no such checkpoint'):
        scores_under_corruptions(config, 'no.pth', tmp_path)
    with pytest.raises(InputError, match="corruption 'fog': choose from dark, bright"):
        scores_under_corruptions(config, str(small_checkpoint), tmp_path, ['dark', 'fog'])
    stock = copy.deepcopy(config)
    stock.test_evaluator = dict(type='IoUMetric')
    with pytest.raises(InputError, match=r'set test_evaluator\.type=BinaryIoUMetric'):
        scores_under_corruptions(stock, str(small_checkpoint), tmp_path, ['jpeg'])
    for missing in ('test_evaluator', 'test_dataloader'):
        without = Config({key: value for key, value in config.to_dict().items() if key != missing})
        with pytest.raises(InputError, match='needs a test_dataloader with a dataset, and a test_evaluator'):
            scores_under_corruptions(without, str(small_checkpoint), tmp_path, ['jpeg'])
    del config.test_dataloader.dataset.pipeline[0]
    with pytest.raises(InputError, match='its test pipeline has no LoadImageFromFile'):
        scores_under_corruptions(config, str(small_checkpoint), tmp_path, ['jpeg'])
    with pytest.raises(InputError, match=r'missing\.py'):
        config_of_test('missing.py', str(small_checkpoint), None, [])


def test_the_table_has_the_mean_and_its_share_of_clean():
    scores = [dict(fgIoU=80.0, precision=90.0, recall=0.0)] + [
        dict(fgIoU=each, precision=45.0, recall=5.0) for each in (60, 20)
    ]
    kinds = [('clean', None), ('motion', 9), ('noise', 25)]
    table = report([Result(*kind, metrics) for kind, metrics in zip(kinds, scores, strict=True)])
    assert table.columns == ['corruption', 'IoU', 'AP', 'precision', 'recall']
    assert table.rows == [
        ['clean', '80.0', '-', '90.0', '0.0'],
        ['motion, 9 px, sideways', '60.0', '-', '45.0', '5.0'],
        ['noise, sigma 25 grey levels', '20.0', '-', '45.0', '5.0'],
        ['mean of the 2', '40.0', '-', '45.0', '5.0'],
        ['that mean, in % of clean', '50.0', '-', '50.0', '-'],
    ]
