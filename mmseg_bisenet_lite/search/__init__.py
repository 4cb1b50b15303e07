"""Searches for networks: trains candidates alike, times them side by side, and finds those that no other beats in both."""

from mmseg_bisenet_lite.search.candidates import Candidate, candidates_of
from mmseg_bisenet_lite.search.config import PRECISIONS, SearchConfig
from mmseg_bisenet_lite.search.picture import draw
from mmseg_bisenet_lite.search.report import report
from mmseg_bisenet_lite.search.results import Result
from mmseg_bisenet_lite.search.runner import Outcome, search

__all__ = ['PRECISIONS', 'Candidate', 'Outcome', 'Result', 'SearchConfig', 'candidates_of', 'draw', 'report', 'search']
