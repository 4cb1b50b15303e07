"""Transforms of the pipelines: what MMSegmentation's do, checked, and with less work."""

from mmseg_bisenet_lite.datasets.transforms.geometry import RandomResizeCropFlip
from mmseg_bisenet_lite.datasets.transforms.loading import LoadBinaryAnnotations, LoadCheckedImage
from mmseg_bisenet_lite.datasets.transforms.photometric import FastPhotoMetricDistortion

__all__ = ['FastPhotoMetricDistortion', 'LoadBinaryAnnotations', 'LoadCheckedImage', 'RandomResizeCropFlip']
