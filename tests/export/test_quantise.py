"""Which layers are spared; the quantised files themselves are in test_formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_bisenet_lite.export.quantise import spare


@given(costs=st.lists(st.integers(0, 9), min_size=1, max_size=6), allowed=st.integers(0, 20))
def test_the_costliest_layers_are_spared_and_no_more_than_needed(costs, allowed):
    """Where each layer costs its own points, sparing the costliest first needs the fewest."""
    layers = [f'layer{i}' for i in range(len(costs))]

    def score(spared):
        return -sum(cost for layer, cost in zip(layers, costs, strict=True) if layer not in spared)

    spared = spare(layers, score, -allowed)
    assert score(spared) >= -allowed
    assert all(score(spared[:count]) < -allowed for count in range(len(spared)))
    assert spared == sorted(spared, key=lambda layer: -costs[layers.index(layer)])


def test_nothing_is_measured_layer_by_layer_when_nothing_hurts():
    asked = []

    def score(spared):
        asked.append(spared)
        return 1.0

    assert spare(['a', 'b'], score, 0.5) == []
    assert asked == [[]]


@pytest.mark.parametrize('layers', [['a'], ['a', 'b', 'c']])
def test_if_nothing_is_enough_all_are_spared(layers):
    assert sorted(spare(layers, lambda spared: 0.0, 0.5)) == layers
