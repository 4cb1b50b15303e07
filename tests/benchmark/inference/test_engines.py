"""Exported files as candidates."""

import copy
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch

from mmseg_bisenet_lite.benchmark.inference.candidates import Settings, candidates, frames_of
from mmseg_bisenet_lite.benchmark.inference.engines import find_exported, inference_model_call
from mmseg_bisenet_lite.benchmark.inference.models import load_models
from mmseg_bisenet_lite.benchmark.inference.runner import _check_twice
from mmseg_bisenet_lite.export.formats import write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.models.decision import set_threshold
from mmseg_bisenet_lite.models.frame_to_mask import FrameToMask
from mmseg_bisenet_lite.utils.errors import InputError

pytestmark = pytest.mark.slow

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def models(small_config, small_checkpoint, root):
    other = str(root / 'configs' / 'r18_ce_vehicle.py')
    return load_models([other, str(small_config)], ['none', str(small_checkpoint)], [])


@pytest.fixture(scope='module')
def files(models, small_checkpoint, metadata, tmp_path_factory):
    folder = tmp_path_factory.mktemp('files')
    digest = sha256(small_checkpoint.read_bytes()).hexdigest()
    written = []
    for number, (size, weights) in enumerate((((64, 48), digest), (None, digest), ((64, 48), '0' * 64))):
        written.append(folder / f'{number}.onnx')
        own = replace(metadata, size=size, precision='fp32', weights_sha256=weights)
        write('onnx', Job(models[1].segmentor, own), written[-1])
    return [str(file) for file in written]


def test_each_file_is_its_models_at_the_sizes_that_it_takes(models, files):
    exported = find_exported(files[:2], models, [(64, 48), (80, 48)], CPU)
    assert [file.model.name for file in exported] == ['small', 'small']
    settings = Settings(CPU, scopes=('forward', 'frame'), batch=2)
    with torch.no_grad():
        for size, count in (((64, 48), 2), ((80, 48), 1)):
            found = list(candidates(models, size, settings, exported))
            rows = [(c.model.name, c.scope, c.engine, c.precision) for c in found]
            assert rows[:4] == [(m.name, scope, 'eager', 'fp32') for scope in ('forward', 'frame') for m in models]
            assert rows[4:] == [('small', 'frame', 'onnxruntime', 'fp32')] * count
            assert all(c.changed <= 0.001 for c in found)
            assert np.array_equal(found[-1].call().shape, (2, 48, size[0]))
            assert found[-1].peak_bytes is None
            assert sum(o.flops for o in found[-1].operations) == sum(o.flops for o in found[3].operations)


def test_files_of_other_weights_and_sizes_are_refused(models, files, tmp_path):
    with pytest.raises(InputError, match=r'2\.onnx: no --checkpoint has its weights; give lite_hinge_v'):
        find_exported([files[2]], models, [(64, 48)], CPU)
    with pytest.raises(InputError, match=r'0\.onnx: it takes only frames of 64x48; add 64x48 to --sizes'):
        find_exported([files[0]], models, [(80, 48)], CPU)
    with pytest.raises(InputError, match=r'absent\.onnx: there is no such file'):
        find_exported([str(tmp_path / 'absent.onnx')], models, [(64, 48)], CPU)


def test_a_file_that_decides_otherwise_is_refused(models, files, monkeypatch):
    exported = find_exported(files[:1], models, [(64, 48)], CPU)
    wrong = type('Wrong', (), {'runtime': 'onnxruntime', '__call__': lambda self, frames: 1 - (frames[..., 0] > 999)})
    monkeypatch.setattr(type(exported[0]), 'load', lambda *_: wrong())
    with (
        torch.no_grad(),
        pytest.raises(InputError, match=r'small, frame, onnxruntime, fp32, 64x48: \d+\.\d% of the pixels'),
    ):
        list(candidates(models, (64, 48), Settings(CPU, scopes=('frame',)), exported))


def test_a_file_with_a_threshold_is_compared_at_it(models, metadata, small_checkpoint, tmp_path):
    moved, file = copy.deepcopy(models[1].segmentor), tmp_path / 'moved.onnx'
    frames = torch.from_numpy(frames_of((64, 48), 1))
    margin = FrameToMask(moved, margin=True, size=(64, 48))(frames)[1]
    threshold = float(margin.quantile(0.9))
    set_threshold(moved, threshold)
    digest = sha256(small_checkpoint.read_bytes()).hexdigest()
    own = replace(metadata, size=(64, 48), precision='fp32', weights_sha256=digest, threshold=threshold)
    write('onnx', Job(moved, own), file)
    exported = find_exported([str(file)], models, [(64, 48)], CPU)
    with torch.no_grad():
        *_, found = candidates(models, (64, 48), Settings(CPU, scopes=('frame',)), exported)
    assert found.changed <= 0.001
    assert 0.05 < found.call().mean() < 0.15


def test_two_files_of_one_row_are_refused(models, files):
    exported = find_exported(files[:2], models, [(64, 48), (80, 48)], CPU)
    message = r'0\.onnx .*1\.onnx: both are small in fp32 at 64x48, and their rows could not be told apart'
    with pytest.raises(InputError, match=message):
        _check_twice(exported, Settings(CPU, scopes=('frame',)), [(64, 48), (80, 48)])
    _check_twice(exported, Settings(CPU, scopes=('frame',)), [(80, 48)])


def test_the_hosts_function_sees_the_size_of_the_frames(models):
    segmentor = copy.deepcopy(models[1].segmentor)
    segmentor.cfg.test_pipeline.insert(1, dict(type='mmseg.Resize', scale=(32, 24), keep_ratio=True))
    seen = []
    segmentor.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2:]))
    masks = inference_model_call(segmentor, frames_of((64, 48), 2))()
    assert masks.shape == (2, 48, 64)
    assert {*seen} == {(48, 64)}
