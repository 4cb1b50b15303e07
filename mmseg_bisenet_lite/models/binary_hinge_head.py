"""BinaryHingeHead: FCNHead for two classes, with the hinge loss by default."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import OhemCrossEntropy, accuracy
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmseg_bisenet_lite.utils.classes import are_class_numbers
from mmseg_bisenet_lite.utils.errors import InputError


def of_two_classes(label: Tensor, foreground: Sequence[int] | None, ignore_index: int = 255) -> Tensor:
    """Return 1 where a label is one of ``foreground``, else 0; ``ignore_index`` stays, and so does all if that is ``None``."""
    if foreground is None:
        return label
    # Unlike torch.isin, comparisons copy no numbers to the device, which would wait for it.
    found = functools.reduce(torch.logical_or, [label == each for each in foreground])
    return torch.where(label == ignore_index, label, found.to(label.dtype))


@MODELS.register_module()
class BinaryHingeHead(FCNHead):
    """FCNHead with two score maps, or with one score map whose sign decides.

    Args:
        num_classes: Number of classes, always 2; the argument exists because MMSegmentation's configs set it.
        out_channels: 2 (the class with the larger score wins) or 1 (a positive score is foreground).
        threshold: Threshold on the sigmoid of the score, for ``out_channels=1``, as in MMSegmentation: the default 0.5 is score
            0.
        foreground: Classes that are foreground, in label maps of many classes (``keep_classes`` of our data sets); ``None``
            takes the labels as they are.
        loss_decode: Config of the loss, or a list of configs.
        **kwargs: Arguments of ``FCNHead``; an unknown one is a ``TypeError``.

    Shape:
        - Input: a tuple of feature maps; the one at ``in_index`` is ``(N, in_channels, H, W)``.
        - Output: ``(N, out_channels, H, W)``.

    Raises:
        InputError: ``num_classes`` is not 2, ``out_channels`` is not 1 or 2, ``threshold`` is given with two score maps or lies
            outside (0, 1), a softmax loss is given with one score map, or ``foreground`` is no list of classes.

    Source: the paper's section on the loss.
    """

    def __init__(
        self,
        *,
        num_classes: int = 2,
        out_channels: int = 2,
        threshold: float | None = None,
        foreground: Sequence[int] | None = None,
        loss_decode: dict | list[dict] = dict(type='BinaryHingeLoss'),
        **kwargs: Any,
    ) -> None:
        if num_classes != 2:
            raise InputError(f'num_classes={num_classes}: BinaryHingeHead needs num_classes=2')
        if out_channels not in (1, 2):
            raise InputError(f'out_channels={out_channels}: give 2 (two score maps) or 1 (one score map)')
        if threshold is not None and out_channels == 2:
            raise InputError(f'threshold={threshold} has no effect with two score maps: remove it, or set out_channels=1')
        if threshold is not None and not 0 < threshold < 1:
            raise InputError(
                f'threshold={threshold}: give a number between 0 and 1, since it applies to the sigmoid of the score'
            )
        if out_channels == 1 and threshold is None:
            threshold = 0.5
        super().__init__(
            num_classes=num_classes, out_channels=out_channels, threshold=threshold, loss_decode=loss_decode, **kwargs
        )
        if foreground is not None and not are_class_numbers(foreground, self.ignore_index):
            raise InputError(f'foreground={foreground!r}: give numbers of classes, such as (8,), or None')
        self.foreground = foreground
        losses = self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]
        softmax = [loss for loss in losses if isinstance(loss, OhemCrossEntropy) or getattr(loss, 'use_sigmoid', None) is False]
        if out_channels == 1 and softmax:
            raise InputError(
                f'{type(softmax[0]).__name__} without a sigmoid cannot train out_channels=1: set use_sigmoid=True, or take '
                'BinaryHingeLoss'
            )

    def _stack_batch_gt(self, batch_data_samples: SampleList) -> Tensor:
        """Return the labels, (N, 1, H, W), of two classes."""
        return of_two_classes(super()._stack_batch_gt(batch_data_samples), self.foreground, self.ignore_index)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict:
        """Return the losses and ``acc_seg`` in percent, which MMSegmentation counts wrongly for one score map."""
        losses = super().loss_by_feat(seg_logits, batch_data_samples)
        if self.out_channels == 1:
            label = self._stack_batch_gt(batch_data_samples)  # (N, 1, H, W)
            score = resize(seg_logits, size=label.shape[2:], mode='bilinear', align_corners=self.align_corners)
            losses['acc_seg'] = accuracy(torch.cat([-score, score], dim=1), label.squeeze(1), ignore_index=self.ignore_index)
        return losses
