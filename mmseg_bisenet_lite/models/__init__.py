"""The network and its loss: one file for each box of the paper's figure."""

from mmseg_bisenet_lite.models.binary_hinge_head import BinaryHingeHead
from mmseg_bisenet_lite.models.binary_hinge_loss import BinaryHingeLoss, binary_hinge_loss
from mmseg_bisenet_lite.models.bisenet_lite import BiSeNetLite
from mmseg_bisenet_lite.models.class_head import ClassHead
from mmseg_bisenet_lite.models.lite_vgg import LiteVGG
from mmseg_bisenet_lite.models.rep_conv import RepConv2d
from mmseg_bisenet_lite.models.separable_binary_hinge_head import DepthwiseSeparableBinaryHingeHead

__all__ = [
    'BiSeNetLite',
    'BinaryHingeHead',
    'BinaryHingeLoss',
    'ClassHead',
    'DepthwiseSeparableBinaryHingeHead',
    'LiteVGG',
    'RepConv2d',
    'binary_hinge_loss',
]
