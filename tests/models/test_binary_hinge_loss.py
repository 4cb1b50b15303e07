import sys
from collections import deque

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.registry import MODELS

from mmseg_bisenet_lite import BinaryHingeLoss, binary_hinge_loss

IGNORE = 255


def random_batch(channels, seed=0, shape=(2, 5, 7)):
    generator = torch.Generator().manual_seed(seed)
    score = 2 * torch.randn(shape[0], channels, *shape[1:], generator=generator, dtype=torch.float64)
    label = torch.tensor([0, 1, IGNORE])[torch.randint(3, shape, generator=generator)]
    return score, label


def equation_1(score, label):
    """Eq. 1 as a loop over pixels and classes; one score y is the term of the foreground alone."""
    losses = []
    for pixel, c in zip(score.movedim(1, -1).reshape(-1, score.shape[1]).tolist(), label.flatten().tolist(), strict=True):
        if c != IGNORE:
            classes = enumerate(pixel) if len(pixel) == 2 else [(1, pixel[0])]
            losses.append(sum(max(0.0, 1 - (1 if j == c else -1) * y) for j, y in classes))
    return losses


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('seed', range(3))
def test_equals_equation_1(channels, seed):
    score, label = random_batch(channels, seed)
    losses = equation_1(score, label)
    assert binary_hinge_loss(score, label, reduction='sum').item() == pytest.approx(sum(losses), rel=1e-5)
    assert binary_hinge_loss(score, label).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    none = binary_hinge_loss(score, label, reduction='none')
    assert none[label != IGNORE].tolist() == pytest.approx(losses, rel=1e-5)
    assert (none[label == IGNORE] == 0).all()


def test_one_score_equals_torchs_hinge():
    # hinge_embedding_loss of x with target -1 is max(0, margin - x); with x = s * y it is the one-score hinge.
    score, label = random_batch(1)
    valid = label != IGNORE
    signed = torch.where(label == 1, 1.0, -1.0) * score.squeeze(1)
    reference = F.hinge_embedding_loss(signed[valid], -torch.ones(int(valid.sum())), margin=1.0)
    assert torch.allclose(binary_hinge_loss(score, label).double(), reference, rtol=1e-5)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000))
def test_one_score_is_half_of_two_opposite_ones(seed):
    score, label = random_batch(1, seed)
    both = torch.cat([-score, score], dim=1)
    assert torch.allclose(2 * binary_hinge_loss(score, label), binary_hinge_loss(both, label), rtol=1e-5)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), channels=st.sampled_from([1, 2]))
def test_never_negative_and_zero_beyond_the_margin(seed, channels):
    score, label = random_batch(channels, seed)
    assert (binary_hinge_loss(score, label, reduction='none') >= 0).all()
    sign = torch.where(label == 1, 1.0, -1.0).unsqueeze(1)
    right = 1.5 * (sign if channels == 1 else torch.cat([-sign, sign], dim=1))
    assert binary_hinge_loss(right, label) == 0


@pytest.mark.parametrize('channels', [1, 2])
def test_gradient(channels):
    score, label = random_batch(channels)
    score = torch.where((score.abs() - 1).abs() < 0.05, score + 0.2, score).requires_grad_()  # away from the kinks
    assert score.dtype == torch.float64
    for reduction in ('mean', 'sum', 'none'):
        assert torch.autograd.gradcheck(lambda s, r=reduction: binary_hinge_loss(s, label, reduction=r), score)


@pytest.mark.parametrize('channels', [1, 2])
def test_ignored_pixels_do_nothing(channels):
    score, label = random_batch(channels)
    changed = torch.where((label == IGNORE).unsqueeze(1), score + 100, score)
    assert torch.equal(binary_hinge_loss(score, label), binary_hinge_loss(changed, label))
    score.requires_grad_()
    binary_hinge_loss(score, label).backward()
    assert (score.grad.movedim(1, -1)[label == IGNORE] == 0).all()
    assert (score.grad != 0).any()


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('class_weight', [None, [1.0, 3.0]])
def test_all_ignored_is_zero(reduction, class_weight):
    score = torch.randn(2, 2, 4, 4, requires_grad=True)
    loss = binary_hinge_loss(score, torch.full((2, 4, 4), IGNORE), reduction=reduction, class_weight=class_weight)
    loss.backward()
    assert loss == 0
    assert (score.grad == 0).all()


def test_class_weight_is_torchs():
    # The weighted mean of nll_loss, an independent implementation: feed it the per-pixel losses of each class.
    score, label = random_batch(2)
    as_if = torch.stack([-binary_hinge_loss(score, torch.full_like(label, c), reduction='none') for c in (0, 1)], dim=1)
    for reduction in ('mean', 'sum', 'none'):
        reference = F.nll_loss(
            as_if, label, weight=torch.tensor([0.5, 4.0], dtype=torch.float64), ignore_index=IGNORE, reduction=reduction
        )
        ours = binary_hinge_loss(score, label, class_weight=[0.5, 4.0], reduction=reduction)
        assert torch.allclose(ours, reference, rtol=1e-5)


def test_weight_and_avg_factor_are_mmsegs():
    score, label = random_batch(2)
    weight = torch.rand(label.shape)
    none = binary_hinge_loss(score, label, reduction='none')
    assert torch.allclose(binary_hinge_loss(score, label, weight=weight, reduction='none'), weight * none)
    assert torch.allclose(binary_hinge_loss(score, label, avg_factor=10.0), none.sum() / 10)
    with pytest.raises(ValueError, match='avg_factor'):
        binary_hinge_loss(score, label, avg_factor=10.0, reduction='sum')


def test_another_ignore_index():
    score, label = random_batch(2)
    same = torch.where(label == IGNORE, -100, label)
    assert torch.equal(binary_hinge_loss(score, label), binary_hinge_loss(score, same, ignore_index=-100))


@pytest.mark.parametrize('value', [2, 7, 254, -1])
def test_a_foreign_label_is_named(value):
    score, label = random_batch(2)
    label[0, 0, 0] = value
    with pytest.raises(ValueError, match=f'label {value} is none of'):
        binary_hinge_loss(score, label)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bool])
def test_labels_are_integers(dtype):
    with pytest.raises(ValueError, match='labels must be integers'):
        binary_hinge_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=dtype))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_a_foreign_label_is_named_without_waiting_for_the_gpu():
    score, label = torch.randn(1, 2, 4, 4).cuda(), torch.full((1, 4, 4), 7).cuda()
    for _ in range(2):  # the first calls load kernels and allocate pinned memory, which may wait
        binary_hinge_loss(score, torch.zeros_like(label))
        torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        torch.cuda._sleep(10**9)  # cycles, about half a second: the label cannot have arrived before the call returns
        binary_hinge_loss(score, label)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    torch.cuda.synchronize()
    with pytest.raises(ValueError, match='label 7 is none of'):
        binary_hinge_loss(score, torch.zeros_like(label))


class OnGPU(torch.Tensor):
    """A tensor that passes for one on a GPU."""

    is_cuda = True


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose work is finished as long as ``finished`` is set."""

    class Event:
        finished = True

        def record(self, stream):
            pass

        def query(self):
            return Event.finished

    monkeypatch.setattr(sys.modules[BinaryHingeLoss.__module__], '_in_flight', deque())
    monkeypatch.setattr(torch.cuda, 'Event', Event)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: None)
    return Event


def test_a_fast_gpu_names_a_foreign_label_at_once(gpu):
    score, label = random_batch(2)
    with pytest.raises(ValueError, match='label 7 is none of'):
        binary_hinge_loss(score, torch.full_like(label, 7).as_subclass(OnGPU))


def test_labels_in_flight_are_not_blamed_on_the_next_run(gpu):
    score, label = random_batch(2)
    right, foreign = label.as_subclass(OnGPU), torch.full_like(label, 7).as_subclass(OnGPU)
    gpu.finished = False
    for _ in range(3):
        binary_hinge_loss(score, foreign)
    gpu.finished = True
    with pytest.raises(ValueError, match='label 7 is none of'):
        binary_hinge_loss(score, right)
    binary_hinge_loss(score, right)


@pytest.mark.parametrize('shapes', [((2, 3, 4, 4), (2, 4, 4)), ((2, 2, 4, 4), (2, 1, 4, 4)), ((2, 2, 4, 4), (2, 4, 5))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match='score must be'):
        binary_hinge_loss(torch.zeros(shapes[0]), torch.zeros(shapes[1], dtype=torch.long))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_safe(dtype):
    # 4 million losses of 61: their sum overflows float16, and bfloat16 would stop counting at a few hundred.
    score = torch.full((1, 1, 2048, 2048), 60.0, dtype=dtype, requires_grad=True)
    loss = binary_hinge_loss(score, torch.zeros(1, 2048, 2048, dtype=torch.long))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(61)
    total = binary_hinge_loss(score, torch.zeros(1, 2048, 2048, dtype=torch.long), reduction='sum')
    total.backward()
    assert total.item() == pytest.approx(61 * 2048**2)
    assert torch.isfinite(score.grad).all()


def test_module_has_mmsegs_options():
    score, label = random_batch(2)
    loss = MODELS.build(
        dict(type='BinaryHingeLoss', loss_weight=0.5, class_weight=[1.0, 2.0], reduction='sum', loss_name='loss_margin')
    )
    assert isinstance(loss, BinaryHingeLoss)
    assert loss.loss_name == 'loss_margin'
    reference = 0.5 * binary_hinge_loss(score, label, class_weight=[1.0, 2.0], reduction='sum')
    assert torch.equal(loss(score, label), reference)
    assert loss(score, label, reduction_override='none').shape == label.shape
    assert BinaryHingeLoss().loss_name.startswith('loss_')


@pytest.mark.parametrize('options', [dict(reduction='average'), dict(class_weight=[1.0])])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        BinaryHingeLoss(**options)
