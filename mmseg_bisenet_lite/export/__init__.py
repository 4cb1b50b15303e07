"""Checkpoints turned into files for a robot, each proved against MMSegmentation before it gets its name."""

from mmseg_bisenet_lite.export.formats import FORMATS
from mmseg_bisenet_lite.export.job import DTYPES
from mmseg_bisenet_lite.export.report import lines, save, table
from mmseg_bisenet_lite.export.runner import Order, Outcome, export

__all__ = ['DTYPES', 'FORMATS', 'Order', 'Outcome', 'export', 'lines', 'save', 'table']
