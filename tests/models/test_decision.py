from dataclasses import asdict

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer
from mmseg.registry import MODELS

from mmseg_bisenet_lite import set_threshold
from mmseg_bisenet_lite.models.decision import DecisionRecord, chosen_threshold, folded_thresholds
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints


def test_a_number_is_taken_as_it_is_and_best_from_the_checkpoint():
    assert chosen_threshold('-0.5', {}, 'a.pth') == -0.5
    assert chosen_threshold('best', {'meta': {'margin_threshold': 0.75}}, 'a.pth') == 0.75
    for checkpoint in ({}, {'meta': None}, {'meta': {}}):
        for wanted in ('best', 'recall=0.9'):
            with pytest.raises(InputError, match=rf"^a\.pth: holds no threshold for '?{wanted}'?; only best_"):
                chosen_threshold(wanted, checkpoint, 'a.pth')


def test_an_inferencer_decides_by_it(small_config, small_checkpoint, tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    inferencer = MMSegInferencer(str(small_config), str(small_checkpoint), device='cpu')

    def margin_and_mask():
        sample = inferencer(frame, return_datasamples=True)
        background, foreground = sample.seg_logits.data
        return foreground - background, sample.pred_sem_seg.data[0].bool()

    margin, _ = margin_and_mask()
    low, high = margin.quantile(torch.tensor([0.3, 0.7])).tolist()
    for threshold in (low, high, low):  # each in place of the one before
        assert set_threshold(inferencer.model, threshold) == threshold
        moved, mask = margin_and_mask()
        torch.testing.assert_close(moved, margin - threshold, rtol=0, atol=1e-4)
        assert torch.equal(mask, moved > 0)
    assert 0.6 < mask.float().mean() < 0.8

    checkpoint = torch.load(small_checkpoint, weights_only=True)
    points = OperatingPoints((low, high), (0.2, 0.4), (0.95, 0.7))
    checkpoint['meta'] |= {'margin_threshold': high, 'margin_operating_points': asdict(points)}  # as ThresholdHook writes them
    torch.save(checkpoint, tmp_path / 'best.pth')
    assert set_threshold(inferencer.model, 'recall=0.9', str(tmp_path / 'best.pth')) == low
    torch.testing.assert_close(margin_and_mask()[0], margin - low, rtol=0, atol=1e-4)
    assert set_threshold(inferencer.model, 'best', str(tmp_path / 'best.pth')) == high
    torch.testing.assert_close(margin_and_mask()[0], margin - high, rtol=0, atol=1e-4)
    with pytest.raises(InputError, match='holds no threshold'):
        set_threshold(inferencer.model, 'best', str(small_checkpoint))
    with pytest.raises(InputError, match='no checkpoint given: holds no threshold'):
        set_threshold(inferencer.model, 'best')


def test_weights_that_are_loaded_anew_have_no_threshold_yet(small_config):
    model = MODELS.build(Config.fromfile(small_config).model)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    bias = weights['decode_head.conv_seg.bias']
    for _ in range(2):
        set_threshold(model, 0.5)
        assert torch.equal(model.decode_head.conv_seg.bias, bias + torch.tensor([0.25, -0.25]))
        model.load_state_dict(weights)


def test_a_model_of_another_type_keeps_its_threshold(small_config):
    model = MODELS.build(Config.fromfile(small_config).model)
    bias = model.decode_head.conv_seg.bias
    before = bias.detach().clone()
    set_threshold(model, 0.5)
    model.to(torch.bfloat16)
    set_threshold(model, 0.0)
    torch.testing.assert_close(model.decode_head.conv_seg.bias.float(), before, rtol=0, atol=0.002)


def test_what_was_folded_is_read_for_each_head():
    meta = {'margin_folded': -1.5, 'margin_threshold': 0.1}
    assert folded_thresholds(meta, 'a.pth') == {'decode_head': -1.5}
    assert folded_thresholds({'margin_folded_heads': {'auxiliary_head.1': 0.5}}, 'a.pth') == {'auxiliary_head.1': 0.5}
    assert DecisionRecord.of({'meta': meta}, 'a.pth').folded == -1.5
    with pytest.raises(InputError, match=r'a\.pth: margin_folded must be'):
        folded_thresholds({'margin_folded': 'low'}, 'a.pth')


def test_one_score_map_has_its_own_decision_point(small_config):
    config = Config.fromfile(small_config)
    config.model.decode_head.update(out_channels=1, threshold=0.8)
    config.model.auxiliary_head = None
    model = MODELS.build(config.model)
    bias = model.decode_head.conv_seg.bias
    before = bias.item()
    for threshold in (0.0, 1.0, -2.0):  # the score 0 is at the threshold then, where the sigmoid is 0.8
        set_threshold(model, threshold)
        assert bias.item() == pytest.approx(before - threshold + np.log(0.8 / 0.2), abs=1e-5)
