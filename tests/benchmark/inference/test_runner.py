"""What the runner compares and notes; the tool's own tests run it whole."""

from types import SimpleNamespace

import pytest
import torch

from mmseg_bisenet_lite.benchmark.energy import Clocks
from mmseg_bisenet_lite.benchmark.inference.candidates import Settings
from mmseg_bisenet_lite.benchmark.inference.runner import _compared, _notes, check
from mmseg_bisenet_lite.utils.errors import InputError


def candidate(name, scope='forward', precision='fp32', engine='eager', graph_breaks=0):
    return SimpleNamespace(
        model=SimpleNamespace(name=name), scope=scope, precision=precision, engine=engine, graph_breaks=graph_breaks
    )


def test_each_is_compared_with_the_first_of_its_scope_and_of_its_engine_and_precision():
    ready = [
        candidate(name, scope, precision)
        for scope in ('forward', 'frame')
        for precision in ('fp32', 'bf16')
        for name in ('r18', 'lite')
    ]
    assert sorted(_compared(ready)) == [(0, 1), (0, 2), (0, 3), (2, 3), (4, 5), (4, 6), (4, 7), (6, 7)]
    assert _compared(ready[:1]) == []
    engines = [candidate(name, 'frame', engine=engine) for engine in ('inference-model', 'eager') for name in ('r18', 'lite')]
    assert sorted(_compared(engines)) == [(0, 1), (0, 2), (0, 3), (2, 3)]


def test_a_cuda_graph_without_an_engine_of_pytorch_is_refused():
    settings = Settings(torch.device('cpu'), scopes=('frame',), engines=('inference-model',), cuda_graph=True)
    with pytest.raises(InputError, match='--cuda-graph: records engines of PyTorch only; leave this option out, or add one'):
        check(settings, None)


def test_notes_name_graph_breaks_and_clocks():
    assert _notes([candidate('lite')], [], (640, 360)) == []
    broken, clocks = _notes([candidate('stdc1', graph_breaks=3)], [Clocks(1000, 1980, frozenset())] * 2, (640, 360))
    assert 'Graph breaks: stdc1 (forward, eager, fp32): 3' in broken
    assert clocks == '640x360: GPU clock while timing: 1000 to 1000 of 1980 MHz, not throttled.'
