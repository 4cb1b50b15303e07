"""The scopes against MMSegmentation's own preprocessing and decision."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

from mmseg_bisenet_lite.benchmark.inference.candidates import frames_of
from mmseg_bisenet_lite.benchmark.inference.scopes import Forward, Frame, Predict


@pytest.fixture(scope='module', params=['two scores', 'one score', 'sigmoid of one score'])
def segmentor(request, root):
    from mmengine.model import revert_sync_batchnorm

    config = Config.fromfile(root / 'configs' / 'lite_hinge_vehicle.py')
    if request.param == 'one score':
        config.model.decode_head.out_channels = 1
    if request.param == 'sigmoid of one score':
        head = dict(type='FCNHead', out_channels=1, threshold=0.3, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
        config.model.decode_head.update(head)
    torch.manual_seed(0)
    return revert_sync_batchnorm(init_model(config, device='cpu')).eval()


def test_the_image_is_what_the_data_preprocessor_makes(segmentor):
    frames = torch.from_numpy(frames_of((50, 40), batch=2))
    expected = segmentor.data_preprocessor(dict(inputs=[frame.permute(2, 0, 1) for frame in frames]))['inputs']
    assert torch.equal(Frame(segmentor).image(frames), expected)
    there = Frame(segmentor, torch.channels_last).image(frames)
    assert torch.equal(there, expected)
    assert there.is_contiguous(memory_format=torch.channels_last)
    assert Frame(segmentor).image(frames).is_contiguous()


def test_without_normalisation_the_image_is_the_frame(segmentor):
    plain = init_model(
        Config(dict(model={**segmentor.cfg.model, 'data_preprocessor': dict(type='SegDataPreProcessor')})), device='cpu'
    )
    frames = torch.from_numpy(frames_of((50, 40), batch=1))
    assert torch.equal(Frame(plain).image(frames), frames.permute(0, 3, 1, 2).float())


def test_the_mask_is_mmsegmentations(segmentor):
    frame = frames_of((80, 64), batch=1)
    if segmentor.decode_head.threshold == 0.3:  # the initial weights' scores all lie above it
        with torch.no_grad():
            scores = Forward(segmentor)(Frame(segmentor).image(torch.from_numpy(frame)))
        # Between two scores that are far enough apart for either way of rounding.
        ordered = scores.sigmoid().flatten().sort().values[1000:-1000]
        gap = int(ordered.diff().argmax())
        segmentor.decode_head.threshold = float(ordered[gap : gap + 2].mean())
    with torch.no_grad():
        mask = Frame(segmentor)(torch.from_numpy(frame))
        image = Frame(segmentor).image(torch.from_numpy(frame))
        scores, predicted = Forward(segmentor)(image), Predict(segmentor)(image)
    assert scores.shape == (1, segmentor.decode_head.out_channels, 64, 80)
    assert mask.dtype == torch.uint8
    assert torch.equal(mask, predicted)
    theirs = inference_model(segmentor, frame[0]).pred_sem_seg.data.numpy()
    assert 0 < theirs.mean() < 1
    assert np.array_equal(mask.numpy(), theirs)
