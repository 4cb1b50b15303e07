"""Fixtures: the checkout, a small toy data set, the photographs where they are at hand."""

from pathlib import Path

import pytest

from mmseg_bisenet_lite.datasets.toy import write_toy_cityscapes

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _scope():
    """What MMSegmentation's tools do first: its registries are the default."""
    from mmseg.utils import register_all_modules  # works once mmseg_bisenet_lite is imported, which mends mmcv-lite

    register_all_modules()


@pytest.fixture(scope='session')
def root() -> Path:
    return ROOT


@pytest.fixture(scope='session')
def toy(tmp_path_factory) -> Path:
    """A toy Cityscapes of 128x64 images, 8 for train and 2 for val. Read only."""
    folder = tmp_path_factory.mktemp('data') / 'toy'
    assert write_toy_cityscapes(folder, size=(128, 64), images=(8, 2))
    return folder


@pytest.fixture(scope='session')
def camvid() -> Path:
    folder = ROOT.parent / 'shared' / 'camvid'
    if not folder.is_dir():
        pytest.skip('the CamVid photographs are not beside the checkout')
    return folder
