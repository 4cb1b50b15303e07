import pytest

from mmseg_bisenet_lite.errors import InputError
from mmseg_bisenet_lite.evaluation.threshold import chosen_threshold, with_threshold


def test_the_option_becomes_one_of_the_config():
    hook = ['default_hooks.threshold.type=ThresholdHook', 'default_hooks.threshold.use=best']
    assert with_threshold(['c.py', 'a.pth', '--threshold', 'best', '--tta']) == [
        'c.py',
        'a.pth',
        '--tta',
        '--cfg-options',
        *hook,
    ]
    assert with_threshold(['c.py', '--threshold', 'best', '--cfg-options', 'a=1']) == ['c.py', '--cfg-options', *hook, 'a=1']
    assert with_threshold(['c.py', '--threshold=best']) == ['c.py', '--cfg-options', *hook]
    assert with_threshold(['c.py', 'a.pth']) == ['c.py', 'a.pth']


@pytest.mark.parametrize('value', ['', 'worst', 'nan', 'inf'])
def test_what_is_no_threshold_is_named(value):
    with pytest.raises(InputError, match=f"threshold '{value}': give 'best' or a number"):
        with_threshold(['c.py', 'a.pth', '--threshold', *([value] if value else [])])


def test_a_number_is_taken_as_it_is_and_best_from_the_checkpoint():
    assert chosen_threshold('-0.5', {}, 'a.pth') == -0.5
    assert chosen_threshold('best', {'meta': {'margin_threshold': 0.75}}, 'a.pth') == 0.75
    for checkpoint in ({}, {'meta': None}, {'meta': {}}):
        with pytest.raises(InputError, match=r'a\.pth: holds no threshold'):
            chosen_threshold('best', checkpoint, 'a.pth')
