import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmseg_bisenet_lite.evaluation.flicker import flicker, main, motion_flicker, warped_iou
from mmseg_bisenet_lite.utils.errors import InputError


def clip(*decisions):
    """Masks of one row of pixels; each argument is a pixel's decisions, frame after frame."""
    return np.array([[[int(each) for each in pixel] for pixel in decisions]]).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ('pixel', 'within', 'times'),
    [
        ('000000', 1, 0),
        ('000111', 1, 0),  # a change
        ('001000', 1, 1),  # a flicker
        ('110111', 1, 1),
        ('010101', 1, 4),
        ('001100', 1, 0),
        ('001100', 2, 1),
        ('0011100', 2, 0),
        ('100000', 1, 0),  # before the clip it may have been foreground for long
    ],
)
def test_what_changes_back_counts(pixel, within, times):
    share = times / (2 * (len(pixel) - 2))
    assert flicker(clip(pixel, '0' * len(pixel)), within) == pytest.approx(share)


@settings(max_examples=40)
@given(arrays(np.uint8, (7, 3, 4), elements=st.integers(0, 1)))
def test_with_one_frame_it_is_what_differs_from_both_neighbours(masks):
    wanted = (masks[1:-1] != masks[:-2]) & (masks[1:-1] != masks[2:])
    assert flicker(masks) == pytest.approx(wanted.mean())
    assert flicker(masks) == flicker(1 - masks) == flicker(masks[::-1]) == flicker(255 * masks)
    assert flicker(masks, 3) >= flicker(masks, 2) >= flicker(masks, 1)


def street(shift=0):
    noise = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    return cv2.resize(noise, (320, 160), interpolation=cv2.INTER_CUBIC)[:, shift : shift + 240]


def test_consistency_follows_the_motion():
    mask = np.zeros((160, 320), np.uint8)
    mask[40:100, 120:200] = 1
    frames, masks = [street(6 * index) for index in range(5)], [mask[:, 6 * index : 6 * index + 240] for index in range(5)]
    assert warped_iou(masks, frames) > 0.97
    assert warped_iou(masks, [frames[0]] * 5) < 0.9  # the masks move and the picture does not
    masks[2] = np.zeros_like(masks[2])
    assert warped_iou(masks, frames) == pytest.approx(0.5, abs=0.02)  # two of the four pairs have nothing in common


def test_what_moves_with_the_picture_is_no_flicker():
    mask = np.zeros((160, 320), np.uint8)
    mask[40:100, 120:200] = 1
    mask[40:100, 150:155] = 0  # a gap that passes over a pixel in one frame
    frames, masks = [street(6 * index) for index in range(5)], [mask[:, 6 * index : 6 * index + 240] for index in range(5)]
    assert flicker(masks) > 0.005
    assert motion_flicker(masks, frames) < 0.001
    masks[2] = np.zeros_like(masks[2])
    assert motion_flicker(masks, frames) == pytest.approx(mask.sum() / mask[:, :240].size / 3, rel=0.05)
    masks[3] = masks[2]  # two frames long it is no flicker
    assert motion_flicker(masks, frames) < 0.001


def test_consistency_without_foreground_is_not_a_number():
    assert np.isnan(warped_iou(np.zeros((2, 160, 240)), [street(), street()]))


def test_too_few_masks_and_other_sizes_are_errors():
    with pytest.raises(InputError, match='at least 3'):
        flicker(np.zeros((2, 4, 4)))
    with pytest.raises(InputError, match='at least 2'):
        warped_iou(np.zeros((1, 160, 240)), [street()])
    with pytest.raises(InputError, match='at least 3'):
        motion_flicker(np.zeros((2, 160, 240)), [street()] * 2)
    with pytest.raises(InputError, match=r'5x4.*4x4'):
        flicker([np.zeros((4, 4)), np.zeros((4, 5)), np.zeros((4, 4))])


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['flicker', *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


def test_the_program_measures_a_folder_of_masks_and_its_frames(tmp_path, run):
    for folder in ('masks', 'frames'):
        (tmp_path / folder).mkdir()
    for index, value in enumerate([0, 255, 0, 0]):
        mask = np.zeros((80, 120), np.uint8)
        mask[20:40, 20:40] = value
        mask[60:, :] = 255
        cv2.imwrite(str(tmp_path / 'masks' / f'{index:03}.png'), mask)
        cv2.imwrite(str(tmp_path / 'frames' / f'{index:03}.png'), street())
    out = run(tmp_path / 'masks', '--frames', tmp_path / 'frames')
    assert f'{1e6 * 400 / 9600 / 2:.0f} of a million pixels' in out
    assert f'along the motion: {1e6 * 400 / 9600 / 2:.0f} of a million pixels' in out
    assert f'{100 * (3 * 2400) / (3 * 2400 + 2 * 400):.2f} %' in out
    (tmp_path / 'frames' / '003.png').unlink()
    with pytest.raises(SystemExit, match='after 3 frames there are no more frames'):
        run(tmp_path / 'masks', '--frames', tmp_path / 'frames')


def test_the_program_names_what_it_cannot_read(tmp_path, run):
    with pytest.raises(SystemExit, match='nothing: is not a folder of masks'):
        run(tmp_path / 'nothing')
    with pytest.raises(SystemExit, match='has no masks'):
        run(tmp_path)
    for undecided, decided in ((128, 255), (255, 1)):
        cv2.imwrite(str(tmp_path / '000.png'), np.uint8([[0, undecided, decided]]))
        cv2.imwrite(str(tmp_path / '001.png'), np.uint8([[0, 0, 0]]))
        with pytest.raises(SystemExit, match=r'000\.png: masks have 0 and 1, or 0 and 255, not 1.*; with --abstain pixels are'):
            run(tmp_path)
    for name, value in (('000', 255), ('001', 1)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.uint8([[0, value, value]]))
    with pytest.raises(SystemExit, match=r'001\.png: masks have 0 and 1, or 0 and 255, not 1, 255'):
        run(tmp_path)
