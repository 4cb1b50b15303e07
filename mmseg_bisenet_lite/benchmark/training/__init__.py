"""Times our loader and step against MMSegmentation's, and whole iterations by number of workers."""

from mmseg_bisenet_lite.benchmark.training.config import PARTS, TrainingBenchmarkConfig
from mmseg_bisenet_lite.benchmark.training.report import report
from mmseg_bisenet_lite.benchmark.training.results import Results
from mmseg_bisenet_lite.benchmark.training.runner import run

__all__ = ['PARTS', 'Results', 'TrainingBenchmarkConfig', 'report', 'run']
