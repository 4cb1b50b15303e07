"""Checks a data set before it costs a training: files, values, foreground, duplicates, and splits of one recording."""

from mmseg_bisenet_lite.dataset_check.config import CheckConfig
from mmseg_bisenet_lite.dataset_check.report import report
from mmseg_bisenet_lite.dataset_check.results import CheckResult, Finding
from mmseg_bisenet_lite.dataset_check.runner import check_dataset

__all__ = ['CheckConfig', 'CheckResult', 'Finding', 'check_dataset', 'report']
