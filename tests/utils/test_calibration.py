import warnings

import numpy as np
import pytest
from scipy.special import expit

from mmseg_bisenet_lite.utils.calibration import Calibration


@pytest.mark.parametrize('calibration', [Calibration(), Calibration(0.63, -1.44), Calibration(20.0, 3.0)])
def test_it_is_the_logistic_of_the_margin_and_stays_in_its_type(calibration):
    margin = np.array([[-1e30, -300, -3, -0.5], [0, 0.5, 3, 1e30]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = calibration.probability(margin)
    expected = expit(margin.astype(np.float64) / calibration.temperature + calibration.bias)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert calibration.probability(margin.astype(np.float64)).dtype == np.float64
