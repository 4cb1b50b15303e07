"""The training benchmark: our loader and step against MMSegmentation's, and whole iterations by the number of workers."""

from mmseg_bisenet_lite.benchmark.training.report import markdown_report, print_report
from mmseg_bisenet_lite.benchmark.training.runner import PARTS, Order, Results, run

__all__ = ['PARTS', 'Order', 'Results', 'markdown_report', 'print_report', 'run']
