import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_bisenet_lite.apis import exported_segmentor
from mmseg_bisenet_lite.utils.errors import InputError


class Halves:
    """Foreground where the frame's red is above 127; of a file for frames of 20x10."""

    def __init__(self, *args, **kwargs):
        self.made = args, kwargs
        self.metadata = type('Metadata', (), {'size': (20, 10)})

    def __call__(self, frames):
        assert frames.dtype == np.uint8
        assert frames.flags.c_contiguous
        return (frames[..., 2] > 127).astype(np.uint8)


@pytest.fixture
def segmentor(monkeypatch):
    monkeypatch.setattr(exported_segmentor, 'Segmenter', Halves)
    normalising = dict(type='SegDataPreProcessor', mean=[1.0] * 3, std=[2.0] * 3, bgr_to_rgb=True)
    options = dict(file='a.onnx', threads=1, threshold='recall=0.9', data_preprocessor=normalising)
    return MODELS.build(dict(type='ExportedSegmentor', **options))


def test_it_takes_the_images_as_they_are_loaded(segmentor):
    assert segmentor.segmenter.made == (('a.onnx', None, 1, None), dict(resize=True, threshold='recall=0.9'))
    images = torch.randint(0, 256, (2, 3, 8, 6), dtype=torch.uint8)
    shapes = dict(img_shape=(8, 6), ori_shape=(8, 6), pad_shape=(8, 6))
    samples = [SegDataSample(metainfo=shapes) for _ in images]
    results = segmentor.test_step(dict(inputs=list(images), data_samples=samples))
    for image, result in zip(images, results, strict=True):
        assert result.pred_sem_seg.data.shape == (1, 8, 6)
        assert torch.equal(result.pred_sem_seg.data[0], (image[2] > 127).to(torch.uint8))


def test_masks_have_the_size_of_the_original(segmentor):
    image = torch.zeros(3, 8, 6, dtype=torch.uint8)
    image[2, :, 3:] = 255
    sample = SegDataSample(metainfo=dict(img_shape=(8, 6), ori_shape=(16, 12), pad_shape=(8, 6)))
    (result,) = segmentor.test_step(dict(inputs=[image], data_samples=[sample]))
    mask = result.pred_sem_seg.data[0]
    assert mask.shape == (16, 12)
    assert mask[:, 6:].all()
    assert not mask[:, :6].any()


@pytest.mark.parametrize('mode', ['loss', 'tensor'])
def test_it_is_not_trained(segmentor, mode):
    with pytest.raises(InputError, match='an exported file can only be tested'):
        segmentor(torch.zeros(1, 3, 8, 6), [SegDataSample()], mode=mode)
