import json

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.errors import InputError

META = dict(classes=('background', 'human'))


def samples(maps=2, count=3, foreground=0.2):
    """Random scores and labels of images of several sizes, as MMSegmentation hands them to a metric."""
    draw = torch.Generator().manual_seed(1)
    found = []
    for i in range(count):
        label = (torch.rand(1, 20 + i, 30, generator=draw) < foreground).long()
        score = torch.randn(label.shape, generator=draw) + label - 0.5
        label[:, :2] = 255
        logits = torch.cat([-score / 2, score / 2]) if maps == 2 else score.sigmoid()
        sample = SegDataSample(gt_sem_seg=PixelData(data=label), seg_logits=PixelData(data=logits))
        sample.pred_sem_seg = PixelData(data=(score > 0).long())
        found.append(sample.to_dict())
    return found


def build(**options):
    metric = METRICS.build(dict(type='BinaryIoUMetric', iou_metrics=['mIoU'], **options))
    metric.dataset_meta = META
    return metric


def evaluate(found, **options):
    return run(build(**options), found)


def run(metric, found):
    for sample in found:
        metric.process({}, [sample])
    return metric.evaluate(len(found))


@pytest.mark.parametrize('maps', [1, 2])
def test_it_is_the_hosts_and_the_foregrounds(maps):
    found = samples(maps)
    metrics = evaluate(found)
    host = IoUMetric(iou_metrics=['mIoU', 'mFscore'])
    host.dataset_meta = META
    host.process({}, found)
    expected = host.evaluate(len(found))
    assert {key: metrics[key] for key in ('aAcc', 'mIoU', 'mAcc')} == {key: expected[key] for key in ('aAcc', 'mIoU', 'mAcc')}

    label, prediction = (
        torch.cat([sample[key]['data'].flatten() for sample in found]) for key in ('gt_sem_seg', 'pred_sem_seg')
    )
    prediction, label = prediction[label != 255] == 1, label[label != 255] == 1
    both = (prediction & label).sum().item()
    assert metrics['fgIoU'] == pytest.approx(100 * both / (prediction | label).sum().item(), abs=0.005)
    assert metrics['precision'] == pytest.approx(100 * both / prediction.sum().item(), abs=0.005)
    assert metrics['recall'] == pytest.approx(100 * both / label.sum().item(), abs=0.005)
    assert 1 / metrics['F1'] == pytest.approx((1 / metrics['precision'] + 1 / metrics['recall']) / 2, rel=1e-3)
    assert metrics['F1'] <= metrics['bestF1']
    assert 0 < metrics['boundaryIoU'] < 100


def test_one_map_is_judged_as_two():
    assert evaluate(samples(1)) == evaluate(samples(2))


def test_the_best_threshold_gives_the_best_f1():
    found = samples()
    first = evaluate(found)
    for sample in found:
        score = sample['seg_logits']['data']
        sample['pred_sem_seg']['data'] = (score[1:] - score[:1] > first['threshold']).long()
    assert evaluate(found)['F1'] == pytest.approx(first['bestF1'], abs=0.01)


def test_without_scores_there_is_no_sweep():
    found = samples()
    for sample in found:
        del sample['seg_logits']
    metrics = evaluate(found)
    assert 'fgIoU' in metrics
    assert not {'AP', 'bestF1', 'threshold', 'ECE', 'rawECE'} & metrics.keys()


def test_it_tells_checkpoints_what_it_found_about_the_decision():
    metric, found = build(), samples(count=8)
    metrics = run(metric, found)
    decision = schema.read(metric.decision, schema.DECISION, 'meta')
    assert decision.keys() == schema.DECISION.keys() - {schema.FOLDED}
    assert decision['margin_threshold'] == metrics['threshold']
    # The scores were drawn with unit noise around -0.5 and 0.5, with a fifth of the pixels as foreground.
    assert decision['margin_calibration'].temperature == pytest.approx(1, abs=0.15)
    assert decision['margin_calibration'].bias == pytest.approx(np.log(0.2 / 0.8), abs=0.15)
    assert metrics['ECE'] < 3 < 10 < metrics['rawECE']
    for sample in found:
        del sample['seg_logits']
    run(metric, found)
    assert metric.decision == {}


def test_the_calibration_is_reported(tmp_path):
    metrics = evaluate(samples(count=8), reliability=str(tmp_path / 'reliability.md'))
    text = (tmp_path / 'reliability.md').read_text()
    assert f'{metrics["rawECE"]:.2f}' in text
    assert f'{metrics["ECE"]:.2f}' in text
    assert (tmp_path / 'reliability.png').is_file()


def test_the_curve_is_written(tmp_path):
    metrics = evaluate(samples(), curve=str(tmp_path / 'curve.json'))
    curve = json.loads((tmp_path / 'curve.json').read_text())
    at = curve['threshold'].index(metrics['threshold'])
    p, r = curve['precision'][at], curve['recall'][at]
    assert 200 * p * r / (p + r) == pytest.approx(metrics['bestF1'], abs=0.01)


@pytest.mark.parametrize(('foreground', 'lacking'), [(0, 'human'), (1, 'background')])
def test_a_class_without_a_pixel_has_no_scores(foreground, lacking):
    found = samples(foreground=foreground)
    with pytest.raises(InputError, match=f'no pixel of the 3 label maps is labelled {lacking}'):
        evaluate(found)
    for sample in found:
        sample['gt_sem_seg']['data'][:] = 255
    with pytest.raises(InputError, match='labelled background or human'):
        evaluate(found)


def test_without_photographs_there_are_no_scores():
    with pytest.raises(InputError, match='the test set has no photographs; check data_root'):
        evaluate([])


def test_a_network_that_finds_nothing_or_gives_no_numbers():
    found = samples()
    for sample in found:
        sample['pred_sem_seg']['data'][:] = 0
        sample['seg_logits']['data'][:] = float('nan')
    metrics = evaluate(found)
    assert [metrics[key] for key in ('fgIoU', 'precision', 'recall', 'F1', 'boundaryIoU')] == [0] * 5
    share = sum((sample['gt_sem_seg']['data'] == 1).sum() for sample in found)
    share = share / sum((sample['gt_sem_seg']['data'] != 255).sum() for sample in found)
    assert metrics['AP'] == pytest.approx(100 * share.item(), abs=0.01)


def test_masks_are_written_as_the_host_does(tmp_path):
    found = samples()
    for i, sample in enumerate(found):
        sample['img_path'] = f'{i}.jpg'
    assert evaluate(found, format_only=True, output_dir=str(tmp_path / 'masks')) == {}
    assert len(list((tmp_path / 'masks').iterdir())) == 3


def test_wrong_input_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match='boundary_ratio=0'):
        evaluate(samples(), boundary_ratio=0)
    for curve in ('curve.png', str(tmp_path / 'absent' / 'curve.json')):
        with pytest.raises(InputError, match='curve='):
            evaluate(samples(), curve=curve)
    for reliability in ('a.png', str(tmp_path / 'absent' / 'a.md')):
        with pytest.raises(InputError, match='reliability='):
            evaluate(samples(), reliability=reliability)
    unmapped = samples()
    unmapped[1]['gt_sem_seg']['data'][0, 5, 5] = 7
    for path, message in ((None, '^label 7 is none of 0 '), ('a.png', '^a.png: label 7 is none of 0 ')):
        unmapped[1]['seg_map_path'] = path
        with pytest.raises(InputError, match=message):
            evaluate(unmapped)
    monkeypatch.setitem(META, 'classes', ('human', 'Background'))
    with pytest.raises(InputError, match=r'metainfo.classes=.*the order is \(background, foreground\)'):
        evaluate(samples())


@pytest.mark.parametrize('meta', [dict(classes=('a', 'b', 'c')), dict(classes=None), {}])
def test_another_number_of_classes_is_refused_before_the_training(meta):
    metric = METRICS.build(dict(type='BinaryIoUMetric'))
    with pytest.raises(InputError, match=f'BinaryIoUMetric: .*, not {len(meta.get("classes") or ())}'):
        metric.dataset_meta = meta  # by the loop that will validate
