"""What masks of two classes are judged by."""

from mmseg_bisenet_lite.evaluation.binary_iou_metric import BinaryIoUMetric
from mmseg_bisenet_lite.evaluation.threshold import set_threshold

__all__ = ['BinaryIoUMetric', 'set_threshold']
