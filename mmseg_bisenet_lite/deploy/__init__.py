"""Run exported files on a robot, with numpy and a runtime, without PyTorch and MMSegmentation."""

from mmseg_bisenet_lite.deploy.calibration import abstain
from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.live import live
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.deploy.predict.outputs import read_map
from mmseg_bisenet_lite.deploy.segmenter import Segmenter
from mmseg_bisenet_lite.deploy.stabiliser import Stabiliser
from mmseg_bisenet_lite.deploy.tiles import TiledSegmenter
from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints

__all__ = [
    'Calibration',
    'InputError',
    'Latency',
    'Metadata',
    'OperatingPoints',
    'Segmenter',
    'Stabiliser',
    'TiledSegmenter',
    'abstain',
    'live',
    'paint',
    'read_map',
]
