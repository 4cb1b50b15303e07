"""Fixtures: the checkout, a small toy data set, the photographs where they are at hand."""

import logging
import os
import runpy
import signal
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from mmseg_bisenet_lite.datasets.toy import write_toy_cityscapes
from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.utils.images import write_image

if workers := os.environ.get('PYTEST_XDIST_WORKER_COUNT'):
    torch.set_num_threads(max(1, torch.get_num_threads() // int(workers)))  # each on its own cores

hypothesis.settings.register_profile('any speed', deadline=None)  # of the machine
hypothesis.settings.load_profile('any speed')
# A shell ignores it in what it starts in the background, and programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ('train', 'val', 'test')


@pytest.fixture(autouse=True)
def _scope():
    """What MMSegmentation's tools do first: its registries are the default."""
    from mmseg.utils import register_all_modules  # works once mmseg_bisenet_lite is imported, which mends mmcv-lite

    register_all_modules()


@pytest.fixture(autouse=True)
def _seed():
    """Initial weights are the same whatever has run before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _signals():
    """Give the signals back after a training that an error ends, since MMEngine tells its hooks nothing of that."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _unformatted_configs(monkeypatch):
    """MMEngine lays out each config that it logs or writes like a program, which takes half a second or more."""
    for module in ('mmengine.config.config', 'yapf.yapflib.yapf_api'):  # OpenMMLab's uses the one, onedl's the other
        monkeypatch.setattr(f'{module}.FormatCode', lambda text, **_: (text, True), raising=False)


@pytest.fixture(scope='session')
def root() -> Path:
    return ROOT


@pytest.fixture
def refused(root, monkeypatch, capsys):
    """Run a tool in this process with arguments that it refuses; returns the line that it ends with."""

    def run(tool, *arguments):
        # A logger of an earlier test may still write to what that test captured, and logging would print that it cannot.
        monkeypatch.setattr(logging, 'raiseExceptions', False)
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(root / 'tools' / tool), run_name='__main__')
        assert stopped.value.code
        errors = capsys.readouterr().err
        message = stopped.value.code if isinstance(stopped.value.code, str) else errors.strip().splitlines()[-1]
        assert 'Traceback' not in errors
        assert '\n' not in message
        assert message.startswith(f'{tool}: error: ')
        return message

    return run


@pytest.fixture(scope='session')
def toy(tmp_path_factory) -> Path:
    """A toy Cityscapes of 128x64 images, 8 for train and 2 for val. Read only."""
    folder = tmp_path_factory.mktemp('data') / 'toy'
    assert write_toy_cityscapes(folder, size=(128, 64), images=(8, 2))
    return folder


@pytest.fixture(scope='session')
def drives(tmp_path_factory) -> Path:
    """Noise of 48x36 in CamVid's layout, with its three drives, 2, 3 and 4 photographs of train and 2 of val. Read only."""
    folder = tmp_path_factory.mktemp('data') / 'camvid'
    draw = np.random.default_rng(0)
    label = np.full((36, 48), 3, np.uint8)
    label[20:, 10:20], label[20:, 30:40] = 8, 9
    for split, counts in (('train', {'0001TP': 2, '0006R0': 3, '0016E5': 4}), ('val', {'0016E5': 2})):
        for name in (f'{drive}_{split}{number}' for drive, count in counts.items() for number in range(count)):
            for path, pixels in ((split, draw.integers(0, 256, (36, 48, 3), np.uint8)), (f'{split}annot', label)):
                (folder / path).mkdir(parents=True, exist_ok=True)
                write_image(folder / path / f'{name}.png', pixels)
    return folder


@pytest.fixture(scope='session')
def camvid() -> Path:
    folder = ROOT.parent / 'shared' / 'camvid'
    if not folder.is_dir():
        pytest.skip('the CamVid photographs are not beside the checkout')
    return folder


@pytest.fixture(scope='session')
def metadata() -> Metadata:
    """Of an exported file."""
    return Metadata(
        classes=('background', 'vehicle'),
        palette=((0, 0, 0), (0, 0, 142)),
        size=(640, 360),
        batch=1,
        precision='int8',
        margin=False,
        config='lite_hinge_vehicle.py',
        commit=None,
        weights_sha256='0' * 64,
        version='0.1.0',
    )


@pytest.fixture(scope='session')
def small_config(toy, tmp_path_factory) -> Path:
    """The toy config on that data set."""
    path = tmp_path_factory.mktemp('config') / 'small.py'
    splits = '\n'.join(f'{split}_dataloader = dict(num_workers=1, dataset=dict(data_root={str(toy)!r}))' for split in SPLITS)
    path.write_text(f'_base_ = {str(ROOT / "configs" / "toy" / "lite_hinge_vehicle.py")!r}\n{splits}\n')
    return path


@pytest.fixture(scope='session')
def small_checkpoint(small_config, tmp_path_factory) -> Path:
    """Its weights: random ones whose batch norms know the data set's frames, so that every layer matters."""
    from mmengine.config import Config
    from mmengine.model import revert_sync_batchnorm
    from mmseg.registry import DATASETS, MODELS
    from mmseg.utils import register_all_modules

    register_all_modules()
    config = Config.fromfile(small_config)
    torch.manual_seed(0)
    segmentor = revert_sync_batchnorm(MODELS.build(config.model)).train()
    segmentor.init_weights()
    dataset = DATASETS.build(config.val_dataloader.dataset)
    frames = torch.stack([dataset[i]['inputs'] for i in range(len(dataset))]).float()
    mean, std = (torch.tensor(config.model.data_preprocessor[name]).view(3, 1, 1) for name in ('mean', 'std'))
    with torch.no_grad():
        for _ in range(20):
            features = segmentor.extract_feat((frames.flip(1) - mean) / std)
            segmentor.decode_head(features)
        # The scores of random weights are nearly one: set them apart, with half of the pixels on each side.
        head = segmentor.eval().decode_head
        head.conv_seg.weight.mul_(100)
        scores = head(segmentor.extract_feat((frames.flip(1) - mean) / std))
        head.conv_seg.bias[1] -= (scores[:, 1] - scores[:, 0]).median()
    path = tmp_path_factory.mktemp('weights') / 'small.pth'
    torch.save(dict(state_dict=segmentor.state_dict(), meta=dict(dataset_meta=dataset.metainfo)), path)
    return path


@pytest.fixture
def small_training(tmp_path):
    """Start a training of one weight, which takes no time: ``small_training(iterations, **options of Runner)``."""
    import itertools

    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Line(BaseModel):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, *inputs, mode='loss'):
            return dict(loss_line=(self.weight * torch.stack(inputs)).mean())

    numbers = itertools.count()

    def start(iterations, work_dir=tmp_path / 'run', step=None, workers=0, checkpoint=None, **options):
        loader = dict(batch_size=2, num_workers=workers, sampler=dict(type='InfiniteSampler', shuffle=False))
        hooks = dict(
            checkpoint={'type': 'CheckpointHook', 'by_epoch': False, 'interval': 5, **(checkpoint or {})},
            finite_training=dict(type='mmseg.FiniteTrainingHook'),
            graceful_stop=dict(type='mmseg.GracefulStopHook'),
        )
        runner = Runner(
            **{
                'model': Line(),
                'work_dir': str(work_dir),
                'train_dataloader': dict(**loader, dataset=[torch.ones(1) for _ in range(8)]),
                'train_cfg': dict(type='IterBasedTrainLoop', max_iters=iterations),
                'optim_wrapper': dict(optimizer=dict(type='SGD', lr=0.01)),
                'param_scheduler': [],
                'default_hooks': hooks,
                'default_scope': 'mmengine',
                'experiment_name': f'{tmp_path.name} {next(numbers)}',
                'log_level': 'WARNING',
                **options,
            }
        )
        if step is not None:
            train_step = runner.model.train_step
            runner.model.train_step = lambda *args, **kwargs: step(runner.iter + 1) or train_step(*args, **kwargs)
        return runner

    return start
