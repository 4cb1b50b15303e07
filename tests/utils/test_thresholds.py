import pytest

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.operating_points import OperatingPoints
from mmseg_bisenet_lite.utils.thresholds import choose_threshold

# The precision is not monotone, as on real curves.
POINTS = OperatingPoints((-2.0, -1.0, 0.5, 1.5, 2.0), (0.1, 0.6, 0.8, 0.75, 0.9), (0.99, 0.95, 0.9, 0.6, 0.2))


@pytest.mark.parametrize(
    ('wanted', 'expected'),
    [
        ('best', 0.25),
        ('-0.5', -0.5),
        (1.5, 1.5),
        ('recall=0.95', -1.0),  # the highest threshold with this recall
        ('recall=0.9501', -2.0),
        ('recall=0.01', 2.0),
        ('precision=0.75', 0.5),  # the lowest threshold with this precision
        ('precision=0.81', 2.0),
    ],
)
def test_each_form_of_a_threshold(wanted, expected):
    assert choose_threshold(wanted, 0.25, POINTS, 'a.onnx', '') == expected


def test_what_cannot_be_reached_is_named_with_what_can():
    with pytest.raises(InputError, match=r'^a\.onnx: recall=0\.999 cannot .*: on val its recall goes from 0\.2 to 0\.99;'):
        choose_threshold('recall=0.999', None, POINTS, 'a.onnx', '')
    with pytest.raises(InputError, match=r'precision=0\.95 cannot be reached: on val its precision goes from 0\.1 to 0\.9;'):
        choose_threshold('precision=0.95', None, POINTS, 'a.onnx', '')


@pytest.mark.parametrize('wanted', ['best', 'recall=0.9', 'precision=0.9'])
def test_what_is_not_known_is_named_with_what_to_do(wanted):
    with pytest.raises(InputError, match=rf'^a\.onnx: holds no threshold for .?{wanted}.?; export it again$'):
        choose_threshold(wanted, None, None, 'a.onnx', 'export it again')


@pytest.mark.parametrize(
    'wanted', ['', 'Best', 'worst', 'nan', 'inf', '1e9', None, 'recall=', 'recall=95', 'recall=0', 'recall=nan', 'f1=0.9', '=1']
)
def test_another_form_is_refused(wanted):
    with pytest.raises(InputError, match=r"give 'best' or a number from -10000 to 10000, or recall=R or precision=P"):
        choose_threshold(wanted, 0.0, POINTS, 'a.onnx', '')
