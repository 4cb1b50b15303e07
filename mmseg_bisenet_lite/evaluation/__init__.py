"""Metrics for two-class masks."""

from mmseg_bisenet_lite.evaluation.binary_iou_metric import BinaryIoUMetric

__all__ = ['BinaryIoUMetric']
