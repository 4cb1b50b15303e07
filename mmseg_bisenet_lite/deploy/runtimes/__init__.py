"""Runtimes of exported files, behind one protocol; each is imported when a file of its kind is loaded."""

from mmseg_bisenet_lite.deploy.runtimes.loading import SUFFIXES, load_pretrained, load_runtime
from mmseg_bisenet_lite.deploy.runtimes.runtime import Runtime
from mmseg_bisenet_lite.deploy.runtimes.shifted import ShiftedRuntime

__all__ = ['SUFFIXES', 'Runtime', 'ShiftedRuntime', 'load_pretrained', 'load_runtime']
