import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmseg_bisenet_lite.export.parity import Overlap, Parity, compare, mmseg_predictor
from mmseg_bisenet_lite.export.samples import RenderedSamples, Sample
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import write_json

FRAME = np.zeros((10, 100, 3), np.uint8)


def masks(values):
    return arrays(np.uint8, (4, 6), elements=st.sampled_from(values))


@given(label=masks([0, 1, 255]), mask=masks([0, 1]))
def test_iou_is_mmsegmentations(label, mask):
    import torch
    from mmseg.evaluation import IoUMetric

    overlap = Overlap()
    overlap.add(label[:2], mask[:2])
    overlap.add(label[2:], mask[2:])
    intersection, union, _, _ = IoUMetric.intersect_and_union(torch.from_numpy(mask), torch.from_numpy(label), 2, 255)
    for ours, i, u in zip(overlap.iou, intersection.tolist(), union.tolist(), strict=True):
        assert math.isnan(ours) if u == 0 else ours == pytest.approx(100 * i / u)


def parity(precision, *frames):
    """Of (label, reference, exported), each 1,000 pixels, given by how many of them are foreground."""
    found = Parity(precision)
    for number, masks in enumerate(frames):
        label, reference, exported = ((np.arange(1000) < n).astype(np.uint8).reshape(10, 100) for n in masks)
        found.add(Sample(str(number), FRAME, label), reference, exported)
    return found


@pytest.mark.parametrize(
    ('precision', 'differing', 'failure'),
    [
        ('fp32', 1, None),
        ('fp32', 2, '99.800 % of the pixels agree with MMSegmentation, 99.9 % must'),
        ('fp16', 1, None),
        ('bf16', 2, '0.30 points'),
        ('bf16', 3, 'points of mIoU lost, at most 0.3 allowed'),
        ('int8', 2, None),
        ('int8', 4, 'points of mIoU lost, at most 0.5 allowed'),
    ],
)
def test_the_limits(precision, differing, failure):
    found = parity(precision, (500, 500, 500 + differing))
    # Independently: the foreground's IoU falls to 500 / (500 + n), the background's to (500 - n) / 500.
    lost = 100 - 50 * (500 / (500 + differing) + (500 - differing) / 500)
    assert found.lost == pytest.approx(lost)
    assert found.agreement == pytest.approx(100 - differing / 10)
    expected = lost > {'fp16': 0.3, 'bf16': 0.3, 'int8': 0.5}.get(precision, math.inf) or (
        precision == 'fp32' and differing > 1
    )
    assert (found.failure is not None) == expected
    if expected and failure:
        assert failure.removeprefix('0.30 ') in found.failure


def test_a_gain_is_no_loss():
    found = parity('int8', (500, 450, 490))
    assert found.lost < -4
    assert found.failure is None


@pytest.mark.parametrize('precision', ['fp32', 'int8'])
def test_no_number_is_no_pass(precision):
    found = Parity(precision)
    void = np.full((10, 100), 255, np.uint8)
    found.add(Sample('void', FRAME, void), np.zeros_like(void), np.zeros_like(void))
    assert math.isnan(found.lost)
    assert 'nothing was compared' in found.failure


def test_without_ground_truth_every_differing_pixel_is_a_loss():
    found = Parity('int8')
    reference = np.zeros((10, 100), np.uint8)
    reference[:5] = 1
    exported = reference.copy()
    exported[0, :10] = 0
    found.add(Sample('a', FRAME, None), reference, exported)
    assert not found.labelled
    assert found.reference.miou == 100
    assert found.lost == pytest.approx(100 - 50 * (490 / 500 + 500 / 510))


def test_the_worst_frame_is_kept():
    found = parity('int8', (500, 500, 501), (500, 500, 510), (500, 500, 505), (500, 400, 400))
    assert found.worst[0].name == '1'
    assert found.worst_agreement == pytest.approx(99.0)
    record = found.record()
    assert (record['worst_frame'], record['frames'], record['differing_pixels']) == ('1', 4, 16)
    assert record['mmsegmentation']['miou'] == pytest.approx(found.reference.miou)


def test_a_class_that_no_frame_has_is_null_in_the_report(tmp_path):
    found = parity('int8', (0, 0, 0))
    write_json(tmp_path / 'report.json', found.record())
    record = json.loads((tmp_path / 'report.json').read_text(), parse_constant=pytest.fail)
    assert record['mmsegmentation'] == dict(iou=[100.0, None], miou=100.0)


def test_compare_runs_both_sides_on_every_frame(small_config, small_checkpoint):
    from mmseg.apis import inference_model

    from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config

    segmentor = load_segmentor('small', read_config(str(small_config)), str(small_checkpoint))
    samples = RenderedSamples((96, 64), 3)
    same, inverted = Parity('fp32'), Parity('fp32')
    reference = mmseg_predictor(segmentor)
    compare(reference, [(same, reference), (inverted, lambda frame: 1 - reference(frame))], samples)
    assert (same.agreement, same.failure) == (100, None)
    assert inverted.agreement == 0
    assert inverted.failure
    # MMSegmentation's own function, which loads the image by the config's pipeline, gives the same masks.
    for sample in samples:
        assert np.array_equal(reference(sample.frame), inference_model(segmentor, sample.frame).pred_sem_seg.data[0].numpy())


def test_a_frame_that_the_network_cannot_take_is_one_line():
    class Narrow:
        def test_step(self, data):
            raise RuntimeError('Sizes of tensors must match\nand so on')

    message = r'MMSegmentation cannot run this network on a frame of 100x10; give another --size: Sizes of tensors must match$'
    with pytest.raises(InputError, match=message):
        mmseg_predictor(Narrow())(FRAME)


def test_without_a_frame_nothing_has_passed():
    assert Parity('fp32').failure == 'there was no frame to compare; give --frames with at least one'
