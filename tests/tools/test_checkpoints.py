"""``bisenet-lite://NAME`` stands for a checkpoint wherever one is taken: in every tool, and in the host's functions."""

import json
import runpy
import sys

import cv2
import numpy as np
import pytest
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.apis import MMSegInferencer, init_model

from mmseg_bisenet_lite import set_threshold
from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.pretrained import names, sha256_of

pytestmark = pytest.mark.slow

NAME = 'bisenet-lite://lite-shared_hinge_vehicle_camvid'
CONFIG = 'configs/camvid/lite-shared_hinge_vehicle.py'
# All that reads the data set, so that the configs run on a few small images.
SMALL = ('test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Two images and label maps, noise, in CamVid's layout: for running, not for what comes out."""
    folder = tmp_path_factory.mktemp('camvid')
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for kind, values in (('', 256), ('annot', 12)):
            (folder / f'{split}{kind}').mkdir()
            for number in range(2):
                shape = (64, 96) if kind else (64, 96, 3)
                cv2.imwrite(str(folder / f'{split}{kind}' / f'{number}.png'), rng.integers(0, values, shape, np.uint8))
    return folder


@pytest.fixture
def run(root, tmp_path, monkeypatch, capfd):
    """Run a tool in this process, which has imported PyTorch already; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        runpy.run_path(str(root / 'tools' / tool), run_name='__main__')
        return ''.join(capfd.readouterr())

    return run


def test_training_starts_from_it(run, root, data):
    changes = ('train_cfg.max_iters=1', 'train_dataloader.batch_size=2')
    more = (
        'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
    )
    roots = [f'{split}_dataloader.dataset.data_root={data}' for split in ('train', 'val', 'test')]
    options = ('--cfg-options', f'load_from={NAME}', *changes, *more, *roots)
    assert f'Load checkpoint from {NAME}' in run('train.py', root / CONFIG, *options, '--work-dir', 'work')


def test_it_is_tested(run, root, data):
    options = ('--cfg-options', f'test_dataloader.dataset.data_root={data}', *SMALL)
    out = run('test.py', root / CONFIG, NAME, '--threshold', 'best', '--work-dir', 'work', *options)
    assert f'{NAME}: a pixel is foreground if its margin is above ' in out
    assert 'mIoU' in out


def test_it_is_exported_and_timed(run, root, tmp_path):
    what = ('--size', '96x64', '--frames', 'renders', '--limit', '2', '--out', 'deploy')
    run('export.py', root / CONFIG, NAME, *what)
    file = tmp_path / 'deploy' / 'lite-shared_hinge_vehicle-96x64-fp32.onnx'
    assert Segmenter(file).metadata.weights_sha256 == sha256_of(NAME)
    options = ('--checkpoint', NAME, '--exported', file, '--scope', 'frame', '--sizes', '96x64', '--seconds', '0')
    run('benchmark.py', root / CONFIG, *options, '--device', 'cpu', '--json', 'run.json')
    rows = json.loads((tmp_path / 'run.json').read_text())['rows']
    assert [(row['checkpoint'], row['engine']) for row in rows] == [(NAME, 'eager'), (NAME, 'onnxruntime')]


def test_it_is_published(run, root, data, tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'camvid').symlink_to(data)  # where the config looks
    out = run('publish.py', root / CONFIG, NAME, 'again.safetensors')
    assert 'mIoU' in out
    ours, theirs = (
        CheckpointLoader.load_checkpoint(file)['state_dict'] for file in (NAME, str(tmp_path / 'again.safetensors'))
    )
    assert all(theirs[key].equal(value) for key, value in ours.items())


def test_it_is_predicted_with(root, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['predict', NAME, str(root / '.github' / 'street.jpg'), '--out', str(tmp_path / 'found')])
    runpy.run_path(str(root / 'tools' / 'predict.py'), run_name='__main__')
    assert len(list((tmp_path / 'found').rglob('street*'))) == 2  # the mask and the painted frame


@pytest.mark.parametrize('name', names())
def test_the_hosts_functions_take_it(root, name):
    config = str(root / 'configs' / 'camvid' / f'{name.removesuffix("_camvid")}.py')
    checkpoint = f'bisenet-lite://{name}'
    weights = CheckpointLoader.load_checkpoint(checkpoint)['state_dict']
    bias = 'decode_head.conv_seg.bias'
    model = init_model(config, checkpoint, device='cpu')
    assert model.state_dict()[bias].equal(weights[bias])
    inferencer = MMSegInferencer(config, checkpoint, device='cpu')
    assert inferencer.model.state_dict()[bias].equal(weights[bias])
    set_threshold(inferencer.model, 'best', checkpoint)
    assert not inferencer.model.state_dict()[bias].equal(weights[bias])


@pytest.mark.parametrize('tool', ['test.py', 'export.py', 'benchmark.py', 'publish.py'])
def test_a_wrong_name_is_told_with_the_right_ones(refused, root, tmp_path, tool):
    arguments = {
        'test.py': (root / CONFIG, 'bisenet-lite://absent'),
        'export.py': (root / CONFIG, 'bisenet-lite://absent', '--size', '96x64', '--frames', 'renders', '--out', tmp_path),
        'benchmark.py': (root / CONFIG, '--checkpoint', 'bisenet-lite://absent'),
        'publish.py': (root / CONFIG, 'bisenet-lite://absent', tmp_path / 'a.safetensors'),
    }
    message = refused(tool, *arguments[tool])
    assert message.endswith(
        f'bisenet-lite://absent: there are no such weights in the package; choose from {", ".join(names())}'
    )
