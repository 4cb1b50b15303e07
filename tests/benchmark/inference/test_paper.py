import pytest

from mmseg_bisenet_lite.benchmark.inference import paper

# Source: the ratios as the paper's facts list them, size by size.
RATIOS = {
    'RTX 2080 Ti': (1.13, 1.19, 1.22, 1.32, 1.41, 1.31),
    'RTX 2070': (1.17, 1.18, 1.21, 1.33, 1.36, 1.33),
    'Jetson TX2': (1.26, 1.29, 1.35, 1.38, 1.43, 1.40),
    'AGX Xavier': (1.32, 1.39, 1.43, 1.50, 1.51, 1.48),
}


@pytest.mark.parametrize('device', RATIOS)
def test_ratios(device):
    assert [paper.ratio(device, size) for size in paper.SIZES] == pytest.approx(RATIOS[device], abs=0.0051)
    assert paper.ratio(device, (64, 64)) is None


def test_all_devices_were_timed_at_the_six_sizes():
    assert len(paper.SIZES) == 6
    assert all(tuple(speeds) == paper.SIZES for speeds in paper.SPEEDS.values())
