"""The README says what is there."""

import re

import pytest


@pytest.fixture(scope='module')
def readme(root):
    return (root / 'README.md').read_text()


def test_paths_exist(root, readme):
    made = ('data/', 'work_dirs/', 'configs/{')  # by the commands themselves, or a pattern
    paths = set(re.findall(r'(?<![\w/])(?:configs|tools|\.ci|\.github)/[\w./{-]+', readme))
    assert len(paths) > 10
    assert not [path for path in paths if not path.startswith(made) and not (root / path.rstrip('./')).exists()]


def test_checkpoints_are_the_configs(root, readme):
    from mmengine.config import Config

    runs = re.findall(r'(configs/[\w/]+\.py)\W+work_dirs/\S+?/iter_(\d+)\.pth', readme)
    assert len(runs) >= 3
    for config, iters in runs:
        assert Config.fromfile(root / config).train_cfg.max_iters == int(iters)


def test_nothing_is_left_to_fill_in(readme):
    assert not re.findall(r'\b(?:[A-Z]+_(?:RESULT|ROW)|TODO|TBD|XXX)\b', readme)
