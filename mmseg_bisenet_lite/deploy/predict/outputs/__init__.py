"""What predict writes: pictures, videos, contours and a table."""

from mmseg_bisenet_lite.deploy.predict.outputs.maps import read_map
from mmseg_bisenet_lite.deploy.predict.outputs.outputs import KINDS, Outputs

__all__ = ['KINDS', 'Outputs', 'read_map']
