import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ('images', 'masks'):
        (tmp_path / 'mine' / folder).mkdir(parents=True)
    for n in range(5):
        cv2.imwrite(f'mine/images/{n}.jpg', np.zeros((20, 30, 3), np.uint8))
        cv2.imwrite(f'mine/masks/{n}.png', np.eye(20, 30, dtype=np.uint8) * 255)


@pytest.mark.usefixtures('mine')
def test_it_says_what_it_wrote(root, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['convert_masks.py', 'mine', '--out', 'data/mine', '--name', 'crack'])
    runpy.run_path(str(root / 'tools' / 'convert_masks.py'), run_name='__main__')
    assert capsys.readouterr().out.splitlines() == [
        'data/mine: 4 images for train, 1 for val; the config is data/mine/mine.py',
        'masks: grey, 0 is background, 255 is crack',
    ]
    assert sorted(entry.name for entry in Path('data/mine').iterdir()) == ['mine.py', 'train', 'trainannot', 'val', 'valannot']


@pytest.mark.usefixtures('mine')
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--val', '1.5'], 'give a share between 0 and 1, or a pattern of names'),
        (['--val', 'x*'], 'leaves none of 5 images for val'),
        (['--foreground', '7'], 'the value 255 of 20 pixels is neither'),
        (['--foreground', 'reddish'], "foreground='reddish': give a value from 0 to 255"),
    ],
)
def test_wrong_options_are_one_line(refused, options, message):
    assert message in refused('convert_masks.py', 'mine', '--out', 'data/mine', *options)
    assert not Path('data/mine').exists()
