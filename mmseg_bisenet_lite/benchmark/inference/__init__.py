"""Times models side by side, with confidence intervals, the device limits and the paper's speeds."""

from mmseg_bisenet_lite.benchmark.inference.candidates import check_sizes
from mmseg_bisenet_lite.benchmark.inference.config import BenchmarkConfig
from mmseg_bisenet_lite.benchmark.inference.engines import ENGINES, INFERENCE_MODEL, RUNTIMES
from mmseg_bisenet_lite.benchmark.inference.models import load_models
from mmseg_bisenet_lite.benchmark.inference.paper import SIZES
from mmseg_bisenet_lite.benchmark.inference.plot import check_picture, front, look, plot
from mmseg_bisenet_lite.benchmark.inference.report import report
from mmseg_bisenet_lite.benchmark.inference.results import METRIC, Results, load, load_all
from mmseg_bisenet_lite.benchmark.inference.runner import benchmark, settings_of
from mmseg_bisenet_lite.benchmark.inference.scopes import SCOPES

__all__ = [
    'ENGINES',
    'INFERENCE_MODEL',
    'METRIC',
    'RUNTIMES',
    'SCOPES',
    'SIZES',
    'BenchmarkConfig',
    'Results',
    'benchmark',
    'check_picture',
    'check_sizes',
    'front',
    'load',
    'load_all',
    'load_models',
    'look',
    'plot',
    'report',
    'settings_of',
]
