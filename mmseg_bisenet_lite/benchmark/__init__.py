"""The speed benchmark: models timed side by side, with intervals, the device's limits and the paper's figures beside them."""

from mmseg_bisenet_lite.benchmark.candidates import Settings, load_models
from mmseg_bisenet_lite.benchmark.devices import PRECISIONS, find_device
from mmseg_bisenet_lite.benchmark.measure import Plan
from mmseg_bisenet_lite.benchmark.paper import SIZES
from mmseg_bisenet_lite.benchmark.plot import check_picture, plot
from mmseg_bisenet_lite.benchmark.report import markdown_report, print_report, run_names
from mmseg_bisenet_lite.benchmark.results import Results, check_accuracies, load, with_accuracy, write
from mmseg_bisenet_lite.benchmark.runner import prepare, run
from mmseg_bisenet_lite.benchmark.scopes import SCOPES

__all__ = [
    'PRECISIONS',
    'SCOPES',
    'SIZES',
    'Plan',
    'Results',
    'Settings',
    'check_accuracies',
    'check_picture',
    'find_device',
    'load',
    'load_models',
    'markdown_report',
    'plot',
    'prepare',
    'print_report',
    'run',
    'run_names',
    'with_accuracy',
    'write',
]
