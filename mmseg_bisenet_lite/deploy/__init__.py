"""Run exported files on a robot, with numpy and a runtime, without PyTorch and MMSegmentation."""

from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.segmenter import Segmenter
from mmseg_bisenet_lite.deploy.stabiliser import Stabiliser
from mmseg_bisenet_lite.deploy.tiles import TiledSegmenter

__all__ = ['Latency', 'Metadata', 'Segmenter', 'Stabiliser', 'TiledSegmenter', 'paint']
