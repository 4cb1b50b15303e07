"""The paper's hinge loss for two classes (Eq. 1)."""

from collections import deque

import torch
from mmseg.models.losses.utils import get_class_weight, weight_reduce_loss
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_bisenet_lite.utils.errors import InputError, unmapped

# Lowest and highest label of earlier CUDA batches, as (event, host copy of (min, max)); see _check_labels.
_in_flight: deque[tuple[torch.cuda.Event, Tensor]] = deque()
_MOST_IN_FLIGHT = 16


def binary_hinge_loss(
    score: Tensor,
    label: Tensor,
    weight: Tensor | None = None,
    class_weight: list[float] | None = None,
    reduction: str = 'mean',
    avg_factor: float | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Return the hinge loss of two score maps (Eq. 1), or of one score map whose sign decides.

    Two maps: ``max(0, 1 - s_0 y_0) + max(0, 1 - s_1 y_1)``, where ``s_j`` is +1 for the pixel's class and -1 for the other.
    One map: ``max(0, 1 - s y)``, where ``s`` is +1 on the foreground (label 1) and -1 on the background (label 0). It is half
    the two-map loss of ``(-y, y)``.

    Args:
        score: Scores. The loss is computed in float32, or in float64 if the scores are float64.
        label: Labels: 0, 1 or ``ignore_index``.
        weight: Factor for each pixel.
        class_weight: Factors for (background, foreground), chosen by the pixel's label.
        reduction: ``'none'``, ``'mean'`` or ``'sum'``. The mean is over the pixels that are not ignored, each counted with its
            class weight, as in ``torch.nn.CrossEntropyLoss``. Ignored pixels have neither loss nor gradient.
        avg_factor: Divisor for ``'mean'``, instead of that count.
        ignore_index: Label of the pixels to ignore.

    Shape:
        - score: ``(N, 2, ...)`` or ``(N, 1, ...)``; label and weight: ``(N, ...)``.
        - Output: a scalar, or ``(N, ...)`` with ``reduction='none'``.

    Raises:
        InputError: The shapes do not match, the labels are not integers, or a label is not 0, 1 or ``ignore_index``. On CUDA
            the first call that finds the check finished reports the wrong label, so that no call waits for the GPU: often a
            later one, of any loss in the process.

    Source: the paper's Eq. 1.
    """
    if score.dim() < 2 or score.shape[1] not in (1, 2) or label.shape != score.shape[:1] + score.shape[2:]:
        raise InputError(
            'BinaryHingeLoss: score must be (N, 1 or 2, ...) and label (N, ...), not '
            f'{tuple(score.shape)} and {tuple(label.shape)}'
        )
    _check_labels(label, ignore_index)
    valid = label != ignore_index
    foreground = label == 1

    sign = torch.where(foreground, 1.0, -1.0).unsqueeze(1)  # (N, 1, ...)
    if score.shape[1] == 2:
        sign = torch.cat([-sign, sign], dim=1)
    score = score.to(torch.promote_types(score.dtype, torch.float32))
    loss = (1 - sign * score).relu().sum(dim=1)  # (N, ...)

    counts = valid.float()
    if class_weight is not None:
        background_weight, foreground_weight = class_weight
        counts = counts * torch.where(foreground, float(foreground_weight), float(background_weight))
        loss = loss * counts
    loss = torch.where(valid, loss, 0.0)
    mean_over = counts.sum() if reduction == 'mean' and avg_factor is None else avg_factor
    return weight_reduce_loss(loss, weight, reduction, mean_over)


def _check_labels(label: Tensor, ignore_index: int) -> None:
    """Raise for a label other than 0, 1 and ``ignore_index``.

    Reading a value back from a GPU would make the host wait for the GPU in every iteration. On GPUs the lowest and the highest
    label are therefore copied asynchronously, and the first call that finds them arrived checks them.
    """
    if label.is_floating_point() or label.is_complex() or label.dtype == torch.bool:
        raise InputError(f'labels must be integers, not {label.dtype}')
    known = (label == 0) | (label == 1) | (label == ignore_index)
    extremes = torch.stack(label.masked_fill(known, 0).aminmax()) if label.numel() else label.new_zeros(2)
    if label.is_cuda:
        event = torch.cuda.Event()
        host_copy = extremes.to('cpu', non_blocking=True)
        event.record(torch.cuda.current_stream(label.device))
        _in_flight.append((event, host_copy))
        if len(_in_flight) > _MOST_IN_FLIGHT:
            _in_flight[0][0].synchronize()
        while _in_flight and _in_flight[0][0].query():
            _raise_for_extremes(_in_flight.popleft()[1], ignore_index)
    else:
        _raise_for_extremes(extremes, ignore_index)


def _raise_for_extremes(extremes: Tensor, ignore_index: int) -> None:
    low, high = extremes.tolist()
    if low < 0 or high > 1:
        _in_flight.clear()  # of the same data: a run that follows in this process is not blamed for them
        raise unmapped(high if high > 1 else low, ignore_index)


@MODELS.register_module()
class BinaryHingeLoss(nn.Module):
    """Hinge loss for two-class segmentation, as a loss of MMSegmentation; see :func:`binary_hinge_loss`.

    Args:
        reduction: ``'none'``, ``'mean'`` or ``'sum'``.
        class_weight: Factors for (background, foreground), or a file with them, as in MMSegmentation's losses.
        loss_weight: Factor for the whole loss.
        loss_name: Key of the loss in the log. The loss is trained on only if the name starts with ``loss_``.

    Raises:
        InputError: ``reduction`` is unknown, or ``class_weight`` is not two numbers.

    Attributes:
        decision_point: ``threshold`` of a head with one score map if its config gives none: the sigmoid of score 0.

    Source: the paper's Eq. 1.
    """

    decision_point = 0.5

    def __init__(
        self,
        reduction: str = 'mean',
        class_weight: list[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_hinge',
    ) -> None:
        super().__init__()
        if reduction not in ('none', 'mean', 'sum'):
            raise InputError(f"reduction must be 'none', 'mean' or 'sum', not {reduction!r}")
        self.reduction = reduction
        self.class_weight = get_class_weight(class_weight)
        if self.class_weight is not None and len(self.class_weight) != 2:
            raise InputError(f'class_weight must be two numbers (background, foreground), not {class_weight!r}')
        self.loss_weight = loss_weight
        self._loss_name = loss_name

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Return the loss of ``cls_score`` (N, 1 or 2, H, W) for ``label`` (N, H, W); see :func:`binary_hinge_loss`."""
        return self.loss_weight * binary_hinge_loss(
            cls_score,
            label,
            weight=weight,
            class_weight=self.class_weight,
            reduction=reduction_override or self.reduction,
            avg_factor=avg_factor,
            ignore_index=ignore_index,
        )

    @property
    def loss_name(self) -> str:
        """Key of the loss in the log."""
        return self._loss_name
