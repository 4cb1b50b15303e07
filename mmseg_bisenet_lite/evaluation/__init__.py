"""What masks of two classes are judged by."""

from mmseg_bisenet_lite.evaluation.binary_iou_metric import BinaryIoUMetric

__all__ = ['BinaryIoUMetric']
