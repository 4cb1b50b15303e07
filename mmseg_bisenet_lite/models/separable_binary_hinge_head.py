"""DepthwiseSeparableBinaryHingeHead: BinaryHingeHead for networks of depth-wise convolutions."""

from typing import Any

from mmseg.models.decode_heads import DepthwiseSeparableFCNHead
from mmseg.registry import MODELS

from mmseg_bisenet_lite.models.binary_hinge_head import BinaryHingeHead


@MODELS.register_module()
class DepthwiseSeparableBinaryHingeHead(BinaryHingeHead, DepthwiseSeparableFCNHead):
    """``BinaryHingeHead`` with the depth-wise separable convolutions of Fast-SCNN's head.

    Args:
        dw_act_cfg: Config of the activation behind each depth-wise convolution; ``None`` is none.
        **kwargs: Arguments of ``BinaryHingeHead``.

    Shape:
        As ``BinaryHingeHead``.

    Source: Fast-SCNN, https://arxiv.org/abs/1902.04502; the loss and the decision are ``BinaryHingeHead``'s.
    """

    def __init__(self, *, dw_act_cfg: dict | None = None, **kwargs: Any) -> None:
        super().__init__(dw_act_cfg=dw_act_cfg, **kwargs)
