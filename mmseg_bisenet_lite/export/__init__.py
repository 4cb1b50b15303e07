"""Exports checkpoints to files for a robot, each checked against MMSegmentation before it is saved."""

from mmseg_bisenet_lite.export.config import ExportConfig
from mmseg_bisenet_lite.export.formats import FORMATS
from mmseg_bisenet_lite.export.job import DTYPES
from mmseg_bisenet_lite.export.report import lines, save, table
from mmseg_bisenet_lite.export.results import ExportResult
from mmseg_bisenet_lite.export.runner import export

__all__ = ['DTYPES', 'FORMATS', 'ExportConfig', 'ExportResult', 'export', 'lines', 'save', 'table']
