"""The speed benchmark: models timed side by side, with intervals, the device's limits and the paper's figures beside them."""

from mmseg_bisenet_lite.benchmark.candidates import Settings
from mmseg_bisenet_lite.benchmark.devices import find_device
from mmseg_bisenet_lite.benchmark.engines import ENGINES, INFERENCE_MODEL, find_exported
from mmseg_bisenet_lite.benchmark.measure import Plan
from mmseg_bisenet_lite.benchmark.models import load_models, numbered
from mmseg_bisenet_lite.benchmark.paper import SIZES
from mmseg_bisenet_lite.benchmark.plot import check_picture, plot
from mmseg_bisenet_lite.benchmark.report import markdown_report, print_report
from mmseg_bisenet_lite.benchmark.results import Results, check_accuracies, load, with_accuracy
from mmseg_bisenet_lite.benchmark.runner import prepare, run
from mmseg_bisenet_lite.benchmark.scopes import SCOPES
from mmseg_bisenet_lite.utils.precision import PRECISIONS

__all__ = [
    'ENGINES',
    'INFERENCE_MODEL',
    'PRECISIONS',
    'SCOPES',
    'SIZES',
    'Plan',
    'Results',
    'Settings',
    'check_accuracies',
    'check_picture',
    'find_device',
    'find_exported',
    'load',
    'load_models',
    'markdown_report',
    'numbered',
    'plot',
    'prepare',
    'print_report',
    'run',
    'with_accuracy',
]
