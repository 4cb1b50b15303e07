"""Which layers are spared; the quantised files themselves are in test_formats."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmseg_bisenet_lite.export import quantise
from mmseg_bisenet_lite.export.formats.onnx_format import build
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.quantise import Judged, quantise_onnx, score, spare
from mmseg_bisenet_lite.export.samples import RenderedSamples, Sample
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.errors import InputError


@given(costs=st.lists(st.integers(0, 9), min_size=1, max_size=6), allowed=st.integers(0, 20))
def test_the_costliest_layers_are_spared_and_no_more_than_needed(costs, allowed):
    """Where each layer costs its own points, sparing the costliest first needs the fewest."""
    layers = [f'layer{i}' for i in range(len(costs))]

    def score(spared):
        return -sum(cost for layer, cost in zip(layers, costs, strict=True) if layer not in spared)

    spared = spare(layers, score, -allowed)
    assert score(spared) >= -allowed
    assert all(score(spared[:count]) < -allowed for count in range(len(spared)))
    assert spared == sorted(spared, key=lambda layer: -costs[layers.index(layer)])


def test_nothing_is_measured_layer_by_layer_when_nothing_hurts():
    asked = []

    def score(spared):
        asked.append(spared)
        return 1.0

    assert spare(['a', 'b'], score, 0.5) == []
    assert asked == [[]]


@pytest.mark.parametrize('layers', [['a'], ['a', 'b', 'c']])
def test_if_nothing_is_enough_all_are_spared(layers):
    assert sorted(spare(layers, lambda spared: 0.0, 0.5)) == layers


def judged(label, own):
    """A frame of 100 pixels, of which the first ``label`` and ``own`` are foreground in the label and in the network's mask."""
    frame = np.zeros((1, 100, 3), np.uint8)
    labels = None if label is None else (np.arange(100) < label).astype(np.uint8)[None]
    return Judged(Sample('frame', frame, labels), (np.arange(100) < own).astype(np.uint8)[None])


def masks(*foreground):
    """A predictor that gives the next of these masks."""
    left = iter(foreground)
    return lambda frame: (np.arange(100) < next(left)).astype(np.uint8)[None]


def test_the_networks_own_masks_score_their_miou():
    assert score(masks(50), [judged(40, 50)]) == pytest.approx(50 * (40 / 50 + 50 / 60))
    assert score(masks(50), [judged(None, 50)]) == 100
    assert score(masks(0), [judged(None, 0)]) == 100


def test_foreground_that_moves_counts_even_where_the_miou_rises():
    """With a label of 40, a mask of 44 is better than the network's 45 in mIoU, but nearly as far from it as is allowed."""
    own = score(masks(45), [judged(40, 45)])
    moved = score(masks(44), [judged(40, 45)])
    lost = 100 * (1 - 44 / 45)
    assert moved == pytest.approx(own - lost * quantise.MOST_LOST / quantise.MOST_MOVED)


def test_a_lost_miou_counts_too_and_frames_are_pooled():
    frames = [judged(50, 50), judged(10, 10)]
    own = score(masks(50, 10), frames)
    assert own == 100
    found = score(masks(50, 9), frames)
    miou = 50 * (59 / 60 + 140 / 141)
    assert found == pytest.approx(min(miou, own - 100 / 60 * quantise.MOST_LOST / quantise.MOST_MOVED))


def test_without_labels_only_the_foreground_counts():
    """Otherwise each pixel that differs would count twice: no network that was not trained on renders could reach it."""
    frames = [judged(None, 50)]
    assert score(masks(49), frames) == pytest.approx(100 - 2 * quantise.MOST_LOST / quantise.MOST_MOVED)


@pytest.fixture(scope='module')
def int8(small_config, small_checkpoint, metadata):
    """The small network in float32 and in int8 as ONNX models, its job, and the layers in float32."""
    segmentor = load_segmentor('small', read_config(str(small_config)), str(small_checkpoint))
    frames = RenderedSamples((64, 32), 4)
    job = Job(segmentor, replace(metadata, size=(64, 32), precision='int8'), frames[:3], frames[3:])
    model = build(replace(job, metadata=replace(job.metadata, precision='fp32')))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantise, 'spare', lambda layers, score, enough: [])
        return model, quantise_onnx(model, job)[0], job


@pytest.mark.slow
def test_no_sum_of_two_products_can_saturate(int8):
    """CPUs without VNNI add two products of an unsigned and a signed byte in 16 bits with saturation."""
    from onnx import numpy_helper

    weights = [numpy_helper.to_array(value) for value in int8[1].graph.initializer if value.data_type == 3]  # INT8
    weights = [value for value in weights if value.ndim == 4]
    assert len(weights) == sum(node.op_type == 'Conv' for node in int8[0].graph.node)
    largest = max(int(np.abs(value.astype(int)).max()) for value in weights)
    assert largest > 60
    assert 2 * 255 * largest <= np.iinfo(np.int16).max


@pytest.mark.slow
def test_the_margin_is_not_shifted_on_the_calibration_frames(int8, monkeypatch):
    import onnx

    model, quantised, job = int8

    def mean(of):
        margin = quantise._margin(onnx, of, job)
        return np.mean([margin(sample.frame).mean() for sample in job.calibration])

    def deviation(of):
        return float(np.std(quantise._margin(onnx, of, job)(job.calibration[0].frame)))

    monkeypatch.setattr(quantise, 'spare', lambda layers, score, enough: [])
    with monkeypatch.context() as patch:
        patch.setattr(quantise, '_shifted', lambda onnx, model, shift: model)
        uncorrected = mean(quantise_onnx(model, job)[0])
    shift = abs(uncorrected - mean(model))
    assert abs(mean(quantised) - mean(model)) < max(0.3 * shift, 0.01 * deviation(model))


@pytest.mark.slow
def test_a_file_without_a_layer_in_int8_is_refused(int8, monkeypatch):
    model, _, job = int8
    monkeypatch.setattr(quantise, 'spare', lambda layers, score, enough: layers)
    with pytest.raises(InputError, match='too far even with a single convolution in 8 bits; export fp32, or int8 for'):
        quantise_onnx(model, job)


@pytest.mark.slow
def test_a_shift_of_the_margin_is_exact(int8):
    import onnx

    model, _, job = int8
    frame = job.calibration[0].frame
    before, after = (quantise._margin(onnx, quantise._shifted(onnx, model, shift), job)(frame) for shift in (0.0, 0.25))
    assert after == pytest.approx(before - 0.25, abs=1e-4)


def test_layers_that_stay_in_higher_precision_are_found_depthwise_ones_too():
    openvino, nncf = pytest.importorskip('openvino'), pytest.importorskip('nncf')
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 2, 1)).eval()
    frames = [np.random.default_rng(seed).normal(size=(1, 3, 16, 16)).astype(np.float32) for seed in range(4)]
    model = openvino.convert_model(net, example_input=torch.zeros(1, 3, 16, 16), input=[1, 3, 16, 16])

    def in_int8(**options):
        int8 = nncf.quantize(model, nncf.Dataset(frames), subset_size=4, **options)
        layers = [op for op in int8.get_ordered_ops() if op.get_type_name() in ('Convolution', 'GroupConvolution')]
        return [(op.get_type_name(), quantise._has_int8_weights(op)) for op in layers]

    assert in_int8() == [('Convolution', True), ('GroupConvolution', True), ('Convolution', True)]
    spared = in_int8(ignored_scope=nncf.IgnoredScope(types=['GroupConvolution']))
    assert spared == [('Convolution', True), ('GroupConvolution', False), ('Convolution', True)]
