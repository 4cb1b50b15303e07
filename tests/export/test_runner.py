"""What the runner names and notes; the tool's own tests run it whole."""

import errno
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmseg_bisenet_lite.deploy import Calibration
from mmseg_bisenet_lite.export import export, lines, runner
from mmseg_bisenet_lite.export.config import ExportConfig
from mmseg_bisenet_lite.export.runner import _metadata, _split
from mmseg_bisenet_lite.export.samples import samples_to_compare
from mmseg_bisenet_lite.pretrained import names
from mmseg_bisenet_lite.utils.errors import InputError

CHECKPOINT = f'bisenet-lite://{names()[0]}'


@pytest.mark.parametrize(
    ('size', 'batch', 'name'),
    [
        ((640, 360), 1, 'lite-640x360-int8.xml'),
        ((640, 360), 4, 'lite-640x360-batch4-int8.xml'),
        (None, None, 'lite-dynamic-batch-int8.xml'),
    ],
)
def test_the_name_says_what_the_file_takes(size, batch, name):
    config = ExportConfig('configs/lite.py', 'a.pth', Path('out'), size, batch=batch)
    assert config.file_name('openvino', 'int8') == name


@pytest.mark.parametrize(('maps', 'wanted', 'expected'), [(2, None, 0), (2, 0.5, 0.5), (1, None, math.log(4)), (1, 0.5, 0.5)])
def test_a_file_carries_what_the_checkpoint_found_on_val(small_config, maps, wanted, expected):
    found = {
        'margin_threshold': 1.5,
        'margin_calibration': {'temperature': 0.6, 'bias': -1.4},
        'margin_operating_points': {'threshold': [-1.0, 0.5], 'precision': [0.5, 0.9], 'recall': [0.95, 0.7]},
        'margin_folded': -2.5,
    }
    config = ExportConfig(str(small_config), CHECKPOINT, Path('out'), (64, 32), threshold=wanted)
    head = SimpleNamespace(out_channels=maps, threshold=0.8)  # the decision point of the one map, which two maps ignore
    dataset_meta = dict(classes=('background', 'vehicle'), palette=[[0, 0, 0], [0, 0, 142]])
    metadata = _metadata(config, SimpleNamespace(decode_head=head), dataset_meta, {'meta': found})
    assert metadata.threshold == pytest.approx(expected)
    assert metadata.best_threshold == 1.5
    assert metadata.calibration == Calibration(0.6, -1.4)
    assert metadata.operating_points.recall == (0.95, 0.7)
    assert metadata.folded == -2.5
    bare = _metadata(config, SimpleNamespace(decode_head=head), dataset_meta, {})
    assert bare.best_threshold is bare.calibration is bare.operating_points is bare.folded is None


def quietly(what, done):
    """Report no progress."""


@pytest.fixture
def wanted(small_config, small_checkpoint, tmp_path):
    return ExportConfig(str(small_config), str(small_checkpoint), tmp_path / 'out', (128, 64), frames='renders', limit=1)


@pytest.mark.parametrize(
    ('where', 'value', 'message'),
    [
        (
            'decode_head.conv_seg.bias',
            float('nan'),
            r'bad\.pth: the weight decode_head\.conv_seg\.bias is NaN or infinite',
        ),
        (
            'backbone.ffm.conv1.conv.weight',
            float('inf'),
            r'bad\.pth: the weight backbone\.ffm\.conv1\.conv\.weight is NaN or infinite',
        ),
        ('decode_head.conv_seg.weight', 1e38, r'the network gives scores that are NaN or infinite; give a checkpoint of'),
    ],
)
def test_what_says_nothing_is_refused_before_anything_is_written(wanted, tmp_path, where, value, message):
    """All masks of such a network are background, in every runtime: they would agree."""
    content = torch.load(wanted.checkpoint, weights_only=True)
    content['state_dict'][where].flatten()[...] = value
    torch.save(content, tmp_path / 'bad.pth')
    with pytest.raises(InputError, match=message):
        export(replace(wanted, checkpoint=str(tmp_path / 'bad.pth')), quietly)
    assert not wanted.out.exists()


def test_a_val_set_without_images_is_one_line(wanted, small_config, tmp_path):
    (tmp_path / 'list.txt').write_text('')
    config = tmp_path / 'empty.py'
    config.write_text(
        f'_base_ = {str(small_config)!r}\nval_dataloader = dict(dataset=dict(ann_file={str(tmp_path / "list.txt")!r}))\n'
    )
    with pytest.raises(
        InputError, match=r'empty\.py: cannot read the val set; check its data_root and its images, or compare on'
    ):
        export(replace(wanted, config=str(config), frames='val'), quietly)


def test_int8_uses_no_frame_of_the_check(wanted, small_config, toy, tmp_path):
    config = Config.fromfile(small_config)
    train = sorted((toy / 'leftImg8bit' / 'train').rglob('*.png'))
    for path in train[:5]:
        (tmp_path / path.name).symlink_to(path)
    samples = samples_to_compare(str(tmp_path), config, wanted.size)
    selection, calibration = _split(replace(wanted, frames=str(tmp_path)), config, samples)
    used = [part.path(index).name for part in (selection, calibration) for index in part.indices]
    assert sorted(used) == [path.name for path in train[5:]]
    for path in train[5:7]:
        (tmp_path / path.name).symlink_to(path)
    samples = samples_to_compare(str(tmp_path), config, wanted.size)
    with pytest.raises(InputError, match=r'--precision int8: needs at least 2 images of the train set .*, and finds 1; add'):
        _split(replace(wanted, frames=str(tmp_path)), config, samples)


@pytest.mark.parametrize(('format', 'names'), [('onnx', ['.onnx']), ('openvino', ['.xml', '.bin'])])
def test_a_full_disk_leaves_no_file_under_the_name_of_the_result(wanted, monkeypatch, format, names):
    """Also not an earlier one, which would be taken for it."""

    def write(name, job, file):
        file.write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(runner, 'write', write)
    wanted = replace(wanted, format=[format])
    stem = wanted.file_name(format, 'fp32').rpartition('.')[0]
    wanted.out.mkdir()
    for name in names:
        (wanted.out / f'{stem}{name}').write_bytes(b'earlier')
    [result] = export(wanted, quietly)
    reason = 'is the disk of --out, or of temporary files, full?: [Errno 28] No space left on device'
    assert result.failure == f'{result.file.name}: cannot be written; {reason}'
    assert {path.name: path.read_bytes() for path in wanted.out.iterdir()} == {f'{stem}{n}.previous': b'earlier' for n in names}
    assert f'it is now {result.file.name}.previous' in lines([result])[-1]


def test_a_file_that_cannot_run_on_a_frame_does_not_end_the_others(wanted, monkeypatch, metadata):
    class Broken:
        runtime, precision = 'broken', 'fp32'

        def __init__(self, file, device):
            self.metadata = replace(metadata, margin='nan' in file.name)

        def __call__(self, frame):
            raise InputError('the file cannot run on 1 frame(s)')

        def with_margin(self, frame):
            return np.zeros(frame.shape[:2], np.uint8), np.full(frame.shape[:2], np.nan, np.float32)

    monkeypatch.setattr(runner, 'write', lambda name, job, file: file.write_bytes(b'x') and [])
    monkeypatch.setattr(runner, 'Segmenter', Broken)
    [result] = export(wanted, quietly)
    assert result.failure == 'the file cannot run on 1 frame(s)'
    monkeypatch.setattr(ExportConfig, 'file_name', lambda self, format, precision: 'nan.onnx')
    [result] = export(wanted, quietly)
    assert result.failure == 'the file gives margins that are NaN; try --precision fp32'
    assert not list(wanted.out.glob('*.onnx'))
