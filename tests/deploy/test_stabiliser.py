"""The Stabiliser on a textured street through which a textured box moves, with margins that flicker."""

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.stabiliser import Stabiliser
from mmseg_bisenet_lite.evaluation.flicker import flicker
from mmseg_bisenet_lite.utils.errors import InputError

HEIGHT, WIDTH = 144, 256


def texture(height, width, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


STREET, BOX = texture(HEIGHT, WIDTH + 200, 0), texture(48, 64, 1)


def video(count, step=0, pan=0, noise=0.0, seed=2):
    """Frames, true masks and margins: the box moves by ``step`` pixels a frame, the camera by ``pan``."""
    random = np.random.default_rng(seed)
    for index in range(count):
        frame, truth = STREET[:, index * pan : index * pan + WIDTH].copy(), np.zeros((HEIGHT, WIDTH), bool)
        x = 20 + index * step
        frame[50:98, x : x + 64], truth[50:98, x : x + 64] = BOX, True
        clean = cv2.GaussianBlur(np.where(truth, 1.5, -3.0).astype(np.float32), (0, 0), 2)
        coarse = random.normal(0, noise, (HEIGHT // 8, WIDTH // 8)).astype(np.float32)
        yield frame, truth, clean + cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def run(frames, stabiliser=None):
    stabiliser = stabiliser or Stabiliser()
    return [stabiliser(margin, frame)[0] for frame, _, margin in frames]


def iou(masks, truths):
    masks, truths = np.stack(masks) > 0, np.stack(truths)
    return (masks & truths).sum() / (masks | truths).sum()


@pytest.mark.parametrize(('step', 'pan'), [(0, 0), (4, 0), (0, 5), (3, 4)])
def test_flicker_is_halved_and_the_masks_are_no_worse(step, pan):
    frames = list(video(24, step, pan, noise=1.2))
    raw, truths = [margin > 0 for _, _, margin in frames], [truth for _, truth, _ in frames]
    stable = run(frames)
    assert flicker(stable) < 0.5 * flicker(raw)
    assert iou(stable, truths) > iou(raw, truths)


def test_what_really_moves_is_not_smeared():
    frames = list(video(24, step=7))
    raw, truths = [margin > 0 for _, _, margin in frames], [truth for _, truth, _ in frames]
    stable = run(frames)
    assert iou(stable, truths) > iou(raw, truths) - 0.01
    behind = np.stack([np.roll(truth, -16, axis=1) & ~truth for truth in truths])  # 9 to 16 pixels of the box's trail
    assert (np.stack(stable)[2:] & behind[2:]).mean() < 0.001


def test_what_appears_is_seen_at_once():
    frames = list(video(6))
    empty = STREET[:, :WIDTH]
    stabiliser = Stabiliser()
    for _ in range(20):
        stabiliser(np.full((HEIGHT, WIDTH), -3, np.float32), empty)
    mask, _ = stabiliser(frames[0][2], frames[0][0])
    assert iou([mask], [frames[0][1]]) > 0.8  # all but its edge


def test_the_decision_turns_only_when_the_margin_is_clear():
    frame = STREET[:, :WIDTH]
    margins = [np.full((HEIGHT, WIDTH), value, np.float32) for value in (0.3, -0.3, 0.3, -0.3, -0.9)]
    stabiliser = Stabiliser(memory=0)
    masks = [stabiliser(margin, frame)[0] for margin in margins]
    assert [int(np.median(mask)) for mask in masks] == [1, 1, 1, 1, 0]


def test_without_memory_and_hysteresis_nothing_changes():
    stabiliser = Stabiliser(memory=0, hysteresis=0)
    for frame, _, margin in video(5, noise=1):
        mask, out = stabiliser(margin, frame)
        assert np.allclose(out, margin)
        assert np.array_equal(mask, out > 0)


def test_the_mask_is_where_the_margin_is_above_0_and_inputs_are_kept():
    stabiliser = Stabiliser()
    for frame, _, margin in video(5, step=3, noise=1):
        before = margin.copy(), frame.copy()
        mask, out = stabiliser(margin, frame)
        assert (mask.dtype, out.dtype, mask.shape, out.shape) == (np.uint8, np.float32, margin.shape, margin.shape)
        assert np.array_equal(mask, out > 0)
        assert np.array_equal(margin, before[0])
        assert np.array_equal(frame, before[1])


@pytest.mark.parametrize('event', ['reset', 'cut', 'size'])
def test_it_starts_anew(event):
    stabiliser = Stabiliser()
    run(video(8), stabiliser)
    frame, margin = 255 - STREET[:, -WIDTH:], np.full((HEIGHT, WIDTH), -0.1, np.float32)
    if event == 'reset':
        stabiliser.reset()
        frame = next(video(1))[0]
    if event == 'size':
        frame, margin = (cv2.resize(each, (2 * WIDTH, 2 * HEIGHT)) for each in (next(video(1))[0], margin))
    _, out = stabiliser(margin, frame)
    assert np.array_equal(out, margin)


@pytest.mark.parametrize('size', [(8, 8), (33, 500), (500, 20), (1, 1), (361, 203)])
def test_any_size_and_shape_works(size):
    random = np.random.default_rng(0)
    stabiliser = Stabiliser()
    for _ in range(3):
        margin = random.normal(size=size).astype(np.float32)
        mask, out = stabiliser(margin, random.integers(0, 256, (*size, 3), np.uint8))
        assert mask.shape == size
        assert np.isfinite(out).all()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [({'memory': 1}, 'memory=1'), ({'memory': -0.1}, r'memory=-0\.1'), ({'hysteresis': float('nan')}, 'hysteresis=nan')],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Stabiliser(**arguments)


def test_a_margin_of_another_frame_or_without_a_value_is_named():
    frame = STREET[:, :WIDTH]
    with pytest.raises(InputError, match='a margin of 128x72 and a frame of 256x144'):
        Stabiliser()(np.zeros((72, 128), np.float32), frame)
    with pytest.raises(InputError, match='not finite'):
        Stabiliser()(np.full((HEIGHT, WIDTH), np.nan, np.float32), frame)
