import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.models.segmentors import SegTTAModel
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_bisenet_lite import BinaryHingeLoss
from mmseg_bisenet_lite.models.decision import decision_point, margin_of_logits


class OwnHingeLoss(BinaryHingeLoss):
    """A user's loss."""


class OneMap(nn.Module):
    """A segmentor with one score map, as far as SegTTAModel looks."""

    out_channels = 1

    class decode_head:  # noqa: N801
        threshold = 0.5


def test_tta_of_one_score_map_averages_probabilities():
    probabilities = torch.tensor([[0.1, 0.4, 0.9, 0.0], [0.2, 0.7, 0.2, 1.0]])
    views = [
        SegDataSample(metainfo=dict(img_path='a.png'), seg_logits=PixelData(data=row.reshape(1, 1, 4))) for row in probabilities
    ]
    tta = SegTTAModel.__new__(SegTTAModel)
    nn.Module.__init__(tta)
    tta.module = OneMap()
    (merged,) = tta.merge_preds([views])
    assert merged.pred_sem_seg.data.flatten().tolist() == [0, 1, 1, 0]
    assert torch.allclose(merged.seg_logits.data.flatten(), probabilities.mean(0))


def test_tta_hands_on_the_same_margin_for_two_score_maps_as_for_one():
    scores = torch.randn(3, 1, 4, 5)  # of three views
    margins = []
    for maps in (1, 2):
        views = [score.sigmoid() if maps == 1 else torch.cat([-score / 2, score / 2]) for score in scores]
        samples = [SegDataSample(metainfo=dict(img_path='a.png'), seg_logits=PixelData(data=view)) for view in views]
        tta = SegTTAModel.__new__(SegTTAModel)
        nn.Module.__init__(tta)
        tta.module = OneMap()
        tta.module.out_channels = maps
        (merged,) = tta.merge_preds([samples])
        margins.append(margin_of_logits(merged.seg_logits.data))
        assert torch.equal(merged.pred_sem_seg.data.squeeze().bool(), margins[-1] > 0)
    assert torch.allclose(*margins, atol=1e-4)
    assert torch.allclose(margins[0].sigmoid(), scores.sigmoid().mean(0)[0], atol=1e-5)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('ignored', [0, 7, 40])
def test_two_classes_are_counted_as_the_host_does(dtype, ignored):
    from mmseg.models.decode_heads import decode_head
    from mmseg.models.losses import accuracy

    scores = torch.randn(2, 2, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    target = torch.randint(0, 2, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    target.view(-1)[:ignored] = 255
    ours, hosts = (count(scores, target, ignore_index=255) for count in (decode_head.accuracy, accuracy))
    assert decode_head.accuracy is not accuracy
    assert ours.shape == hosts.shape
    torch.testing.assert_close(ours, hosts)
    for options in (dict(topk=(1, 2)), dict(ignore_index=None)):
        assert decode_head.accuracy(scores, target.clamp(max=1), **options) == accuracy(scores, target.clamp(max=1), **options)


@pytest.mark.parametrize('num_classes', [1, 2])
@pytest.mark.parametrize(
    ('loss', 'threshold', 'point'),
    [
        (dict(type='BinaryHingeLoss'), None, 0.5),
        (dict(type='mmseg_bisenet_lite.models.BinaryHingeLoss'), None, 0.5),
        ([dict(type='CrossEntropyLoss', use_sigmoid=True), dict(type=OwnHingeLoss)], None, 0.5),
        (dict(type='BinaryHingeLoss'), 0.6, 0.6),
        (dict(type='CrossEntropyLoss', use_sigmoid=True), None, 0.3),  # as MMSegmentation has it
    ],
)
def test_mmsegmentations_heads_decide_where_hinge_loss_does(num_classes, loss, threshold, point):
    head = FCNHead(
        in_channels=8, channels=4, num_convs=1, num_classes=num_classes, out_channels=1, loss_decode=loss, threshold=threshold
    )
    assert head.threshold == point
    assert decision_point(head) == point
