"""Fixes for scores, losses and accuracy."""

import functools
from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix


@fix(
    'accuracy',
    broken=(
        'mmseg sorts the scores and copies the labels to count correct pixels for the log; with two classes this takes '
        'a tenth of a training step, and makes the host wait for the GPU'
    ),
    versions='mmsegmentation 1.2.2; onedl-mmsegmentation 1.4.2',
    delete_when='mmseg compares the scores and counts',
)
def _count_two_classes_quickly() -> bool:
    import torch
    from mmseg.models.decode_heads import decode_head

    original = decode_head.accuracy

    def accuracy(pred: Any, target: Any, topk: Any = 1, thresh: Any = None, ignore_index: int | None = None) -> Any:
        if topk != 1 or thresh is not None or ignore_index is None or pred.size(1) != 2 or not target.numel():
            return original(pred, target, topk, thresh, ignore_index)
        right = (pred[:, 1] > pred[:, 0]) == target  # never true where the target is neither 0 nor 1
        eps = torch.finfo(torch.float32).eps  # as in the host, for which 0 of 0 correct pixels is 100 %
        return 100.0 * (right.sum().float().reshape(1) + eps) / ((target != ignore_index).sum() + eps)

    decode_head.accuracy = accuracy
    return True


@fix(
    'tta-scores',
    broken=(
        'SegTTAModel applies the sigmoid twice to the output of a one-channel head, so every pixel becomes '
        'foreground; and its seg_logits come from one augmentation only'
    ),
    versions='mmsegmentation 1.2.2; onedl-mmsegmentation 1.4.2',
    delete_when='mmseg averages the probabilities as they are, and returns the mean as seg_logits',
)
def _average_probabilities_once() -> bool:
    from mmengine.structures import PixelData
    from mmseg.models.segmentors import SegTTAModel

    def merge_preds(self: Any, data_samples_list: list) -> list:
        merged = []
        for samples in data_samples_list:
            one_map = self.module.out_channels == 1  # postprocess_result has applied the sigmoid already
            mean: Any = 0
            for sample in samples:
                scores = sample.seg_logits.data
                mean = mean + (scores if one_map else scores.softmax(dim=0)) / len(samples)
            threshold = self.module.decode_head.threshold if one_map else None
            decided = (mean > threshold).to(mean).squeeze(1) if one_map else mean.argmax(dim=0)
            sample = samples[-1]
            scores = mean if one_map else mean.log()
            sample.set_data({'pred_sem_seg': PixelData(data=decided), 'seg_logits': PixelData(data=scores)})
            if hasattr(samples[0], 'gt_sem_seg'):
                sample.set_data({'gt_sem_seg': samples[0].gt_sem_seg})
            sample.set_metainfo({'img_path': samples[0].img_path})
            merged.append(sample)
        return merged

    SegTTAModel.merge_preds = merge_preds
    return True


@fix(
    'class-weight',
    broken=(
        "mmseg's CrossEntropyLoss with class_weight looks up the weight of ignored labels, which is an IndexError; "
        "onedl's raises one with avg_non_ignore, where it sets that weight"
    ),
    versions='mmsegmentation 1.2.2; onedl-mmsegmentation 1.4.2',
    delete_when='mmseg looks up the weights of the pixels that are not ignored, and divides by their sum',
)
def _weigh_without_ignored_pixels() -> bool:
    from mmseg.models.losses import cross_entropy_loss as host

    original = host.cross_entropy

    @functools.wraps(original)
    def cross_entropy(
        pred: Any,
        label: Any,
        weight: Any = None,
        class_weight: Any = None,
        reduction: str = 'mean',
        avg_factor: Any = None,
        ignore_index: int = -100,
        **kwargs: Any,
    ) -> Any:
        if class_weight is not None and reduction == 'mean' and avg_factor is None:
            # Count the labels: selecting pixels would make the host wait for the GPU. In float32, since float16 ends at 65504.
            avg_factor = sum(weight.float() * (label == kind).sum() for kind, weight in enumerate(class_weight))
        return original(pred, label, weight, class_weight, reduction, avg_factor, ignore_index, **kwargs)

    host.cross_entropy = cross_entropy
    return True


@fix(
    'decision-point',
    broken=(
        'a head with one score map decides at 0.3 of its sigmoid if the config gives no threshold, whatever its loss; '
        'hinge loss decides at score 0, which is 0.5'
    ),
    versions='mmsegmentation 1.2.2; onedl-mmsegmentation 1.4.2',
    delete_when='mmseg asks the loss where it decides',
)
def _decide_where_the_loss_does() -> bool:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead
    from torch import nn

    original = BaseDecodeHead.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        losses = self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]
        points = {loss.decision_point for loss in losses if hasattr(loss, 'decision_point')}
        if self.out_channels == 1 and kwargs.get('threshold') is None and points:
            self.threshold = points.pop()

    BaseDecodeHead.__init__ = init
    return True
