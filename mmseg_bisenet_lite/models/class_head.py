"""ClassHead: learn all classes of the label maps beside the foreground, while training."""

from typing import Any

from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmseg_bisenet_lite.utils.errors import InputError


@MODELS.register_module()
class ClassHead(FCNHead):
    """``FCNHead`` whose loss is computed at the size of its map, with the labels in the middle of the map's pixels.

    As an auxiliary head it tells the network what the background consists of. Eleven or nineteen score maps at the size of the
    image would take longer than the rest of a small network. Where the stride of the map does not divide the labels' sides, as
    1/32 the 240 rows of a crop, the map is rounded up, and its last labels lie up to half a pixel of the map away.

    Shape:
        - Input: a tuple of feature maps; the one at ``in_index`` is ``(N, in_channels, h, w)``.
        - Labels: ``(N, 1, H, W)``, with ``H`` and ``W`` multiples of ``h`` and ``w``.
        - Output: ``(N, num_classes, h, w)``.

    Raises:
        InputError: The size of the labels is no multiple of that of the map, or there are several losses or a sampler.

    Source: the auxiliary losses are BiSeNet's, https://arxiv.org/abs/1808.00897; the classes in place of two are ours.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(self.loss_decode, nn.ModuleList) or self.sampler is not None:
            raise InputError('ClassHead: give one loss as loss_decode, and no sampler')

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict:
        """Return the loss."""
        label = self._stack_batch_gt(batch_data_samples).squeeze(1)
        (height, width), (h, w) = label.shape[1:], seg_logits.shape[2:]
        if height % h or width % w:
            raise InputError(
                f'ClassHead: labels of {width}x{height} for a map of {w}x{h}; give crops with sides that the stride divides'
            )
        rows, columns = height // h, width // w
        label = label[:, rows // 2 :: rows, columns // 2 :: columns]
        return {self.loss_decode.loss_name: self.loss_decode(seg_logits, label, ignore_index=self.ignore_index)}
