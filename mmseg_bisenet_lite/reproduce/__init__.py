"""The paper's comparison of accuracies, run again: a grid of trainings, each of them once, and a table beside the paper's."""

from mmseg_bisenet_lite.reproduce.cells import DATASETS, Cell, cells, parse_grid
from mmseg_bisenet_lite.reproduce.curves import draw
from mmseg_bisenet_lite.reproduce.report import report
from mmseg_bisenet_lite.reproduce.runner import Result, run, save

__all__ = ['DATASETS', 'Cell', 'Result', 'cells', 'draw', 'parse_grid', 'report', 'run', 'save']
