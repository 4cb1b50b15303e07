"""Reproduces the paper's comparison of accuracies: trains a grid, each training once, and tables it beside the paper."""

from mmseg_bisenet_lite.reproduce.config import DATASETS, PROTOCOLS, Run, drives_of, parse_grid, runs_of
from mmseg_bisenet_lite.reproduce.curves import draw
from mmseg_bisenet_lite.reproduce.drives import mean_over_drives
from mmseg_bisenet_lite.reproduce.report import report
from mmseg_bisenet_lite.reproduce.results import Result, save
from mmseg_bisenet_lite.reproduce.runner import reproduce

__all__ = [
    'DATASETS',
    'PROTOCOLS',
    'Result',
    'Run',
    'draw',
    'drives_of',
    'mean_over_drives',
    'parse_grid',
    'report',
    'reproduce',
    'runs_of',
    'save',
]
