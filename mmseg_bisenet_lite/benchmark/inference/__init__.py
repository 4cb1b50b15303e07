"""Times models side by side, with confidence intervals, the device limits and the paper's speeds."""

from mmseg_bisenet_lite.benchmark.inference.config import BenchmarkConfig
from mmseg_bisenet_lite.benchmark.inference.engines import ENGINES, INFERENCE_MODEL, RUNTIMES
from mmseg_bisenet_lite.benchmark.inference.paper import SIZES
from mmseg_bisenet_lite.benchmark.inference.plot import check_picture, plot
from mmseg_bisenet_lite.benchmark.inference.report import report
from mmseg_bisenet_lite.benchmark.inference.results import METRIC, Results, load_all
from mmseg_bisenet_lite.benchmark.inference.runner import benchmark
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
    'load_all',
    'plot',
    'report',
]
