"""FrameToMask: the graph that is exported, from the camera's frame to the mask."""

import copy
from collections.abc import Sequence

import torch
from mmseg.models import BaseSegmentor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_bisenet_lite.models.batch_norms import fold_batch_norms
from mmseg_bisenet_lite.models.convolutions import first_convolutions, is_plain
from mmseg_bisenet_lite.models.decision import margin_of_scores, mask_of_margin
from mmseg_bisenet_lite.models.normalise import Normalise
from mmseg_bisenet_lite.utils.errors import InputError

# (width, height) of an image that networks of any size take.
SMALL = (64, 64)


class Upsample(nn.Module):
    """Bilinear up-sampling to a fixed size, as two matrix products.

    It computes the same as ``F.interpolate``, for which the runtimes' kernels take up to a seventh of the whole graph's time.

    Args:
        small: (height, width) of the input.
        size: (height, width) of the output.
        align_corners: As in ``F.interpolate``.

    Shape:
        - Input: ``(N, 1, *small)``, float32.
        - Output: ``(N, 1, *size)``.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, small: Sequence[int], size: Sequence[int], align_corners: bool) -> None:
        super().__init__()
        for name, few, many in zip(('rows', 'columns'), small, size, strict=True):
            # Interpolate lines that are 1 at one place: the result is the weights of that place, (few, many).
            weights = F.interpolate(torch.eye(few)[None], size=many, mode='linear', align_corners=align_corners)[0]
            self.register_buffer(name, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Up-sample the map; see ``Shape``."""
        return self.rows.T @ x @ self.columns


class FrameToMask(nn.Module):
    """A two-class segmentor for deployment: normalisation, network, up-sampling and decision, without batch norms.

    The class with the higher score wins, so only the difference of the scores matters: the margin. Up-sampling is linear, so
    one map, the margin, is up-sampled instead of two score maps, and the last layer computes it instead of the scores. The
    first layers take over what they can of the normalisation.

    Args:
        segmentor: Segmentor from :func:`mmseg_bisenet_lite.pretrained.loading.load_segmentor`; it is copied.
        dtype: Type that the network computes in. Normalisation and up-sampling are in float32.
        margin: Whether to return the margin as a second output.
        size: (width, height) of the frames; ``None`` is any size.

    Shape:
        - Input: ``(N, H, W, 3)``, uint8, in the channel order that the ``data_preprocessor`` expects (BGR).
        - Output: the mask ``(N, H, W)``, uint8, 0 or 1; with ``margin`` also the margin ``(N, H, W)``, float32: the foreground
          score minus the background score, or the one score minus the score of the threshold. Above 0 is foreground.

    Raises:
        InputError: The segmentor is not for two classes, or does not decide like MMSegmentation's base classes.
    """

    def __init__(
        self,
        segmentor: BaseSegmentor,
        dtype: torch.dtype = torch.float32,
        margin: bool = False,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        _check(segmentor)
        self.segmentor = copy.deepcopy(segmentor)
        self.segmentor.requires_grad_(False).eval()
        fold_batch_norms(self.segmentor)
        _fold_difference(self.segmentor.decode_head)
        self.normalise = Normalise(segmentor.cfg)
        self.normalise.fold_into(_first_convolutions(self.segmentor, size))
        self.segmentor.to(dtype)
        self.dtype = dtype
        self.margin = margin
        self.upsample: nn.Module | None = None
        if size is not None:
            shape = size[::-1]
            small = copy.deepcopy(self).to('meta').small_margin(torch.empty(1, *shape, 3, dtype=torch.uint8, device='meta'))
            self.upsample = Upsample(small.shape[2:], shape, segmentor.decode_head.align_corners)

    def small_margin(self, frames: Tensor) -> Tensor:
        """Return the margin at the size of the head's output, ``(N, 1, h, w)``, float32."""
        head = self.segmentor.decode_head
        image = self.normalise(frames).to(self.dtype)
        scores = head(self.segmentor.extract_feat(image)).float()  # (N, 1 or 2, h, w)
        return margin_of_scores(scores, head.threshold if head.out_channels == 1 else None)

    def forward(self, frames: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the mask, and the margin if asked to; see ``Shape``."""
        margin = self.small_margin(frames)
        if self.upsample is not None:
            margin = self.upsample(margin)[:, 0]
        else:
            corners = self.segmentor.decode_head.align_corners
            margin = F.interpolate(margin, size=frames.shape[1:3], mode='bilinear', align_corners=corners)[:, 0]
        mask = mask_of_margin(margin)
        return (mask, margin) if self.margin else mask


def _first_convolutions(segmentor: BaseSegmentor, size: tuple[int, int] | None) -> list[nn.Conv2d]:
    """Return what takes the image, found without its arithmetic; nothing if a network of any size does not take ``SMALL``."""
    width, height = size or SMALL
    shapes = copy.deepcopy(segmentor).to('meta')
    try:
        firsts = first_convolutions(shapes, torch.empty(1, 3, height, width, device='meta'))
    except (RuntimeError, ValueError):
        if size is not None:
            raise
        return []
    places = [name for name, module in shapes.named_modules() if any(module is each for each in firsts)]
    return [segmentor.get_submodule(place) for place in places]


@torch.no_grad()
def _fold_difference(head: BaseDecodeHead) -> None:
    """Let the last layer of a head with two score maps compute their difference, in place, if it is a 1x1 convolution.

    The head must return its output as it is, as MMSegmentation's heads do.
    """
    last = getattr(head, 'conv_seg', None)
    if not is_plain(last) or last.weight.shape != (2, last.in_channels, 1, 1) or last.bias is None:
        return
    if type(head).cls_seg is BaseDecodeHead.cls_seg:
        last.weight = nn.Parameter(last.weight[1:] - last.weight[:1], requires_grad=False)
        last.bias = nn.Parameter(last.bias[1:] - last.bias[:1], requires_grad=False)
        last.out_channels = 1


def _check(segmentor: BaseSegmentor) -> None:
    head = segmentor.decode_head
    if not isinstance(head, BaseDecodeHead) or type(head).predict_by_feat is not BaseDecodeHead.predict_by_feat:
        raise InputError(f'{type(head).__name__}: only heads that use predict_by_feat of BaseDecodeHead can be exported')
    if head.num_classes != 2 or head.out_channels > 2:
        raise InputError(
            f'num_classes={head.num_classes}, out_channels={head.out_channels}: the exported graph is for two classes'
        )
    if head.out_channels == 1 and not 0 < head.threshold < 1:
        raise InputError(
            f'threshold={head.threshold}: give a number between 0 and 1, since it applies to the sigmoid of the score'
        )
    if segmentor.test_cfg.mode != 'whole':
        raise InputError(
            f"test_cfg.mode={segmentor.test_cfg.mode!r}: the exported graph takes the whole frame; set it to 'whole'"
        )
    if (segmentor.cfg.model.get('data_preprocessor') or {}).get('test_cfg'):
        raise InputError(
            'data_preprocessor.test_cfg: the exported graph does not pad; remove it, and export at a size that needs no padding'
        )
