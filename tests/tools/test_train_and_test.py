"""The tools as the user runs them: their options, their files, what a kill leaves, what wrong input says."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.utils.errors import InputError

pytestmark = pytest.mark.slow

LIMIT = 600  # seconds for one command, on a slow and busy machine


def options(data, iters=4):
    """Settings that shrink the toy config to the test's small images."""
    return [
        '--cfg-options',
        *(f'{split}_dataloader.dataset.data_root={data}' for split in ('train', 'val', 'test')),
        *(f'{split}_dataloader.num_workers=1' for split in ('train', 'val', 'test')),
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.pipeline.2.crop_size=(32,64)',
        'model.data_preprocessor.size=(32,64)',
        f'train_cfg.max_iters={iters}',
        f'train_cfg.val_interval={iters}',
        f'param_scheduler.0.end={iters}',
        'default_hooks.checkpoint.interval=2',
        'default_hooks.logger.interval=1',
    ]


def start(script, *arguments, cwd, launcher=()):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, *launcher, str(script), *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    try:
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        process.kill()  # nothing is left running after a timeout
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope='module')
def tools(root):
    return root / 'tools'


@pytest.fixture(scope='module')
def config(root):
    return root / 'configs' / 'toy' / 'lite_hinge_vehicle.py'


@pytest.fixture(scope='module')
def trained(tmp_path_factory, toy, tools, config):
    """A training killed in its midst with SIGKILL, then resumed to its end: the folder and the second run's output."""
    folder = tmp_path_factory.mktemp('run')
    arguments = (config, '--work-dir', folder / 'work', *options(toy, iters=100_000))
    process = start(tools / 'train.py', *arguments, cwd=folder)
    last = folder / 'work' / 'last_checkpoint'
    deadline = time.monotonic() + LIMIT
    while not (last.is_file() and last.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert last.is_file(), output
    assert process.returncode == -signal.SIGKILL, output
    end = iteration(latest(folder)) + 4
    resumed = (config, '--resume', '--work-dir', folder / 'work', *options(toy, iters=end))
    return folder, finish(start(tools / 'train.py', *resumed, cwd=folder))


def latest(folder):
    return Path((folder / 'work' / 'last_checkpoint').read_text())


def iteration(checkpoint):
    return int(checkpoint.stem.removeprefix('iter_'))


def test_a_killed_training_resumes(trained):
    folder, output = trained
    resumed_from = int(re.search(r'resumed epoch: 0, iter: (\d+)', output)[1])
    end = iteration(latest(folder))
    assert 0 < resumed_from == end - 4
    steps = [int(step) for step in re.findall(r'Iter\(train\) \[\s*(\d+)/', output)]
    assert steps == list(range(resumed_from + 1, end + 1))
    checkpoint = torch.load(latest(folder), weights_only=False)
    assert checkpoint['meta']['iter'] == end
    assert checkpoint['meta']['dataset_meta']['classes'] == ('background', 'vehicle')
    assert len(checkpoint['message_hub']['log_scalars']['train/loss']._log_history) == end
    assert not list((folder / 'work').glob('*.tmp*'))


def test_test_writes_masks_and_pictures(trained, toy, tools, config):
    folder, _ = trained
    checkpoint = latest(folder)
    arguments = ('--out', folder / 'masks', '--show-dir', folder / 'shown', '--work-dir', folder / 'tested')
    output = finish(start(tools / 'test.py', config, checkpoint, *arguments, *options(toy), cwd=folder))
    assert re.search(r'mIoU: \d+\.\d+', output)
    masks = sorted((folder / 'masks').glob('*.png'))
    assert len(masks) == 2
    assert all(set(np.unique(cv2.imread(str(mask), cv2.IMREAD_UNCHANGED))) <= {0, 1} for mask in masks)
    assert len(list((folder / 'shown').rglob('*.png'))) == 2


def test_quarters_can_be_tested_with_tta_and_shown(trained, toy, tools, root):
    folder, _ = trained
    checkpoint = latest(folder)
    arguments = ('--tta', '--out', folder / 'quarters', '--show-dir', folder / 'shown_quarters', '--work-dir', folder / 'tta')
    human = root / 'configs' / 'toy' / 'lite_hinge_human.py'
    output = finish(start(tools / 'test.py', human, checkpoint, *arguments, *options(toy), cwd=folder))
    assert re.search(r'mIoU: \d+\.\d+', output)
    assert len(list((folder / 'quarters').glob('*.png'))) == 4 * 2
    assert len(list((folder / 'shown_quarters').rglob('*.png'))) == 4 * 2


@pytest.mark.skipif(torch.cuda.is_available(), reason='its two processes would need two GPUs')
def test_two_processes_through_torchrun(tmp_path, toy, tools, config):
    batch_norm = ('model.backbone', 'model.decode_head', 'model.auxiliary_head.0', 'model.auxiliary_head.1')
    process = start(
        tools / 'train.py',
        *(config, '--launcher', 'pytorch', '--work-dir', tmp_path / 'work', *options(toy, iters=2)),
        *(f'{part}.norm_cfg.type=BN' for part in batch_norm),  # SyncBN exists on GPUs only
        cwd=tmp_path,
        launcher=('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2'),
    )
    output = finish(process)
    assert 'Distributed launcher: pytorch' in output
    assert 'GPU number: 2' in output
    assert (tmp_path / 'work' / 'iter_2.pth').is_file()


def test_mmsegs_own_train_runs_a_foreign_project(tmp_path, toy):
    # A project that knows us by custom_imports alone, and gives our modules to MMSegmentation's own script.
    config = tmp_path / 'mine.py'
    config.write_text(
        """
_base_ = '{}/_base_/models/bisenetv1_r18-d32.py'
custom_imports = dict(imports=['mmseg_bisenet_lite'], allow_failed_imports=False)
default_scope = 'mmseg'
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
model = dict(
    data_preprocessor=dict(size=(64, 128)),
    backbone=dict(
        type='BiSeNetLite', context_channels=(128, 128, 256), backbone_cfg=dict(_delete_=True, type='LiteVGG')
    ),
    decode_head=dict(
        type='BinaryHingeHead', num_classes=2, out_channels=1, loss_decode=dict(_delete_=True, type='BinaryHingeLoss')
    ),
    auxiliary_head=None,
)
train_dataloader = dict(
    batch_size=2,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        type='CityscapesBinaryDataset',
        foreground=('person', 'rider', 'bicycle'),
        data_root='{}',
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=pipeline,
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook', by_epoch=False))
""".format(mim_folder('mmseg') / 'configs', toy)
    )
    output = finish(start(mim_folder('mmseg') / 'tools' / 'train.py', config, '--amp', cwd=tmp_path))
    assert 'loss_hinge' in output
    assert (tmp_path / 'work_dirs' / 'mine' / 'iter_2.pth').is_file()


def test_mmsegs_own_train_finds_our_configs(tmp_path, toy):
    # MMEngine looks for the bases before it imports anything, so the expression has to import the package.
    config = tmp_path / 'mine.py'
    config.write_text("_base_ = __import__('mmseg_bisenet_lite').__name__ + '::toy/lite_hinge_vehicle.py'\n")
    arguments = (config, '--work-dir', tmp_path / 'work', *options(toy, iters=2))
    finish(start(mim_folder('mmseg') / 'tools' / 'train.py', *arguments, cwd=tmp_path))
    assert (tmp_path / 'work' / 'iter_2.pth').is_file()


# --- wrong input: one line that names the culprit, status 1 -------------------------------------------------------------


@pytest.fixture
def damaged(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')  # the host's script sets it
    return shutil.copytree(toy, tmp_path / 'data')


def test_wrong_data_root(damaged, tools, config, refused):
    message = refused('train.py', config, *options('nowhere'))
    assert 'nowhere/leftImg8bit/train: there is no such folder of photographs' in message


@pytest.mark.parametrize('damage', ['missing', 'size', 'truncated image', 'truncated label', 'value'])
def test_damaged_data(damaged, tools, config, refused, damage):
    image = sorted((damaged / 'leftImg8bit' / 'train').rglob('*.png'))
    label = sorted((damaged / 'gtFine' / 'train').rglob('*_labelTrainIds.png'))
    for path in image if damage == 'truncated image' else label:
        if damage == 'missing':
            path.unlink(missing_ok=path != label[3])
            break
        if damage == 'size':
            cv2.imwrite(str(path), np.zeros((20, 40), np.uint8))
        elif damage == 'value':
            cv2.imwrite(str(path), np.full((64, 128), 77, np.uint8))
        else:
            path.write_bytes(path.read_bytes()[:-100])
    here = ('train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False')
    in_a_worker = damage == 'truncated image'  # one is enough: stopping it takes seconds
    message = refused('train.py', config, *options(damaged), *(() if in_a_worker else here))
    expected = {
        'missing': 'toyville_000000_000019_gtFine_labelTrainIds.png: this label map is missing (1 of 8',
        'size': '_gtFine_labelTrainIds.png: the label map is 40x20, but its photograph',
        'truncated image': '_leftImg8bit.png: not a readable image, or a truncated one',
        'truncated label': '_gtFine_labelTrainIds.png: not a readable label map, or a truncated one',
        'value': '_gtFine_labelTrainIds.png: no class of the data set has the label value 77',
    }
    assert expected[damage] in message


def test_wrong_checkpoints(damaged, trained, toy, tools, root, refused):
    folder, _ = trained
    r18 = root / 'configs' / 'r18_hinge_vehicle.py'
    message = refused('test.py', r18, latest(folder), *options(toy))
    assert f'{latest(folder).name}: its weights are not those of the config' in message
    assert 'backbone.context_path.backbone' in message
    message = refused('test.py', r18, 'absent.pth', *options(toy))
    assert 'absent.pth can not be found' in message
    torch.save(dict(state_dict={}, meta=Evil()), 'evil.pth')
    message = refused('test.py', r18, 'evil.pth', *options(toy))
    assert 'evil.pth: refused: it would run' in message
    assert not Path('pwned').exists()


class Evil:
    def __reduce__(self):
        return open, ('pwned', 'w')


def test_resume_runs_nothing_and_names_its_checkpoint(damaged, trained, toy, tools, config, refused):
    folder, _ = trained
    work = shutil.copytree(folder / 'work', damaged.parent / 'work')
    victim = damaged.parent / 'pwned'
    newest = latest(folder).name
    checkpoint = torch.load(work / newest, weights_only=False)
    checkpoint['meta']['config'] = checkpoint['meta']['cfg'] = f'x = __import__("pathlib").Path({str(victim)!r}).touch()'
    torch.save(checkpoint, work / newest)
    (work / 'last_checkpoint').write_text('')  # as if killed while it was written
    finish(
        start(
            tools / 'train.py',
            config,
            '--resume',
            '--work-dir',
            work,
            *options(toy, iters=iteration(latest(folder))),
            cwd=folder,
        )
    )
    assert not victim.exists()
    other = 'model.backbone.backbone_cfg.widths=[[8],[16],[64],[128],[256]]'
    message = refused('train.py', config, '--resume', '--work-dir', work, *options(toy), other)
    assert f'{newest}: its weights are not those of the config' in message


def test_wrong_config(damaged, tools, refused):
    assert 'configs/absent.py' in refused('train.py', 'configs/absent.py')


def test_make_toy_cityscapes(tmp_path, tools, refused):
    script = tools / 'make_toy_cityscapes.py'
    arguments = ('--size', '64x32', '--train', '2', '--val', '1')
    assert '2 training and 1 validation images' in finish(start(script, tmp_path / 'toy', *arguments, cwd=tmp_path))
    assert cv2.imread(str(next((tmp_path / 'toy').rglob('*_leftImg8bit.png')))).shape == (32, 64, 3)
    assert 'exists and is not this toy data set' in refused('make_toy_cityscapes.py', tmp_path)
    assert "'64' is not a size such as 640x360" in refused('make_toy_cityscapes.py', tmp_path / 'other', '--size', '64')
    assert "'-3' is not a whole" in refused('make_toy_cityscapes.py', tmp_path / 'other', '--train', '-3')


def test_a_workers_error_is_one_line():
    wrapped = 'Caught InputError in DataLoader worker process 0.\nOriginal Traceback ...\nx.InputError: a.png: truncated\n'
    assert InputError(wrapped).line == 'a.png: truncated'
    assert InputError('a.png: truncated').line == 'a.png: truncated'
