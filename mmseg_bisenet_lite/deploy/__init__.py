"""Exported files on a robot: numpy and one of the runtimes, neither PyTorch nor MMSegmentation."""

from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.segmenter import Segmenter

__all__ = ['Latency', 'Metadata', 'Segmenter', 'paint']
