import multiprocessing

import cv2
import numpy as np
import pytest
import torch

from mmseg_bisenet_lite.datasets import CityscapesVehicleDataset
from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.deploy.runtimes import loading
from mmseg_bisenet_lite.export.parity import mmseg_predictor
from mmseg_bisenet_lite.export.samples import RenderedSamples
from mmseg_bisenet_lite.pretrained import names
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, pretrained_config, read_config
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image

CHECKPOINT = f'bisenet-lite://{names()[0]}'


@pytest.fixture(scope='module')
def segmenter():
    return Segmenter(CHECKPOINT)


def test_it_gives_mmsegmentations_masks_at_any_size(segmenter):
    expected = mmseg_predictor(load_segmentor(CHECKPOINT, pretrained_config(CHECKPOINT), CHECKPOINT))
    for size, count in (((128, 64), 1), ((101, 67), 3)):
        frames = np.stack([sample.frame for sample in RenderedSamples(size, count)])
        masks = segmenter(frames)
        assert masks.shape == (count, *size[::-1])
        assert (masks != np.stack([expected(frame) for frame in frames])).mean() <= 0.001


def test_a_recall_chooses_the_threshold_and_the_probability_stays(segmenter):
    frame = RenderedSamples((64, 48), 1)[0].frame
    careful = Segmenter(CHECKPOINT, threshold='recall=0.95')
    assert careful.metadata.threshold == segmenter.metadata.operating_points.threshold_for('recall', 0.95, '') != 0
    found = [each.metadata.probability(each.with_margin(frame)[1]) for each in (segmenter, careful)]
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)
    assert np.array_equal(careful(frame), segmenter.with_margin(frame)[1] > np.float32(careful.metadata.threshold))


def test_a_name_is_as_good_as_the_scheme(segmenter):
    frame = RenderedSamples((64, 48), 1)[0].frame
    frame.flags.writeable = False  # as some sources give them
    named = Segmenter.from_pretrained(names()[0], size=(64, 48))
    assert named.metadata.size == (64, 48)
    assert (named(frame) != segmenter(frame)).mean() <= 0.001
    with pytest.raises(InputError, match=r'a frame of 64x32, but the file was exported for 64x48'):
        named(frame[:32])


def test_half_precision_comes_near(segmenter):
    if not torch.backends.mkldnn.is_available():
        pytest.skip('this PyTorch has no oneDNN, so no bfloat16 on CPUs')
    frame = RenderedSamples((128, 64), 1)[0].frame
    try:
        half = Segmenter.from_pretrained(CHECKPOINT, precision='bf16')
    except InputError as refused:
        if "precision='bf16': choose fp32" not in str(refused):
            raise
        pytest.skip(f'this CPU computes in no bf16: {refused}')
    assert half.precision == 'bf16'
    exact, found = (each.with_margin(frame)[1] for each in (segmenter, half))
    assert 0 < np.abs(exact - found).mean() < 0.1 * exact.std()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(device='nowhere'), "device='nowhere': "),
        (dict(precision='int8'), "precision='int8': choose fp32, or bf16 or fp16 where cpu has"),
        (dict(threads='2'), "threads='2': give a whole number"),
        (dict(threshold='worst'), "threshold 'worst': give 'best' or a number"),
    ],
)
def test_what_it_cannot_do(options, message):
    with pytest.raises(InputError, match=message):
        Segmenter.from_pretrained(names()[0], **options)


def test_without_the_host_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setattr(loading, 'host_problem', lambda: 'the module torch is missing: run pip')
    with pytest.raises(
        InputError, match=r'run in PyTorch with MMSegmentation .*torch is missing.*give a file of tools/export.py'
    ):
        Segmenter(CHECKPOINT)


def test_in_a_forked_process_one_line_says_what_to_do(segmenter):
    """PyTorch would wait there for ever."""
    context = multiprocessing.get_context('fork')
    frame = RenderedSamples((64, 48), 1)[0].frame
    segmenter(frame)
    told = context.SimpleQueue()

    def work():
        for call in (lambda: segmenter(frame), lambda: Segmenter(CHECKPOINT)):
            try:
                call()
            except InputError as error:
                told.put(str(error))

    child = context.Process(target=work)
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0
    for _ in range(2):
        assert told.get().startswith('PyTorch has computed in the process that this one was forked from')


@pytest.mark.parametrize('size', [(640, 360), (960, 360)])
def test_letterboxed_frames_have_nearly_the_masks_of_their_own_size(root, size):
    """On a street of 480x360; stretched, its masks differ more."""
    frame = read_image(root / '.github' / 'street.jpg')
    whole = frame.shape[1::-1]
    own = Segmenter.from_pretrained('lite-shared_hinge_vehicle_camvid')(frame).astype(bool)
    fixed = Segmenter.from_pretrained('lite-shared_hinge_vehicle_camvid', size=size, resize=True)
    with pytest.warns(UserWarning, match=f'a frame of 480x360 lies letterboxed, as 480x360, in the file for {size[0]}x360'):
        letterboxed = fixed(frame).astype(bool)
    stretched = cv2.resize(fixed(cv2.resize(frame, size)), whole, interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)
    near, far = ((mask & own).sum() / (mask | own).sum() for mask in (letterboxed, stretched))
    assert near > 0.92
    assert near > far + 0.02


def test_a_config_runs_with_its_checkpoint_as_weights_of_the_package_do(small_config, small_checkpoint):
    frame = RenderedSamples((128, 64), 1)[0].frame
    segmenter = Segmenter.from_checkpoint(small_config, small_checkpoint)
    assert segmenter.metadata.classes == ('background', 'vehicle')
    assert segmenter.metadata.config == small_config.name
    expected = mmseg_predictor(load_segmentor('', read_config(str(small_config)), str(small_checkpoint)))
    assert (segmenter(frame) != expected(frame)).mean() <= 0.001


def test_classes_that_a_checkpoint_does_not_name_are_the_data_sets(small_config, small_checkpoint, tmp_path):
    weights = torch.load(small_checkpoint, weights_only=True)['state_dict']
    torch.save(dict(state_dict=weights), tmp_path / 'bare.pth')
    metadata = Segmenter.from_checkpoint(small_config, tmp_path / 'bare.pth').metadata
    assert metadata.classes == ('background', 'vehicle')
    assert list(map(list, metadata.palette)) == list(map(list, CityscapesVehicleDataset.METAINFO['palette']))
    with pytest.raises(InputError, match=r"bare\.pth: holds no threshold for 'best'"):
        Segmenter.from_checkpoint(small_config, tmp_path / 'bare.pth', threshold='best')


def test_a_config_of_other_than_two_classes_is_one_line(small_config, small_checkpoint, tmp_path):
    three = tmp_path / 'three.py'
    metainfo = "metainfo=dict(classes=('road', 'tram', 'car'))"
    three.write_text(
        f'_base_ = {str(small_config)!r}\nmodel = dict(decode_head=dict(num_classes=3))\n'
        f'val_dataloader = dict(dataset=dict({metainfo}))\n'
    )
    with pytest.raises(InputError, match='both must have the same two classes'):
        Segmenter.from_checkpoint(three, small_checkpoint)
    with pytest.raises(InputError, match=r'absent\.pth: there is no such checkpoint'):
        Segmenter.from_checkpoint(small_config, tmp_path / 'absent.pth')
