import gc
import weakref
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from mmseg_bisenet_lite.benchmark.inference import candidates as module
from mmseg_bisenet_lite.benchmark.inference import engines
from mmseg_bisenet_lite.benchmark.inference.candidates import (
    Baseline,
    Settings,
    candidates,
    check_sizes,
    frames_of,
    graphed,
    with_tf32,
)
from mmseg_bisenet_lite.benchmark.inference.models import load_models
from mmseg_bisenet_lite.models.batch_norms import batch_norms
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.precision import has_arithmetic

pytestmark = pytest.mark.slow

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def lite(root):
    torch.manual_seed(0)
    return load_models([str(root / 'configs' / 'lite_hinge_vehicle.py')], [], [])


@pytest.fixture
def checkpoint(tmp_path):
    """Of another network."""
    torch.save({'weight': torch.zeros(1)}, tmp_path / 'weights.pth')
    return tmp_path / 'weights.pth'


def test_without_a_config_the_papers_networks_and_the_small_one_are_compared():
    models = load_models([], [], [])
    papers = [('r18_ce_vehicle', 'r18'), ('lite_hinge_vehicle', 'lite')]
    assert [(model.name, model.paper) for model in models] == [*papers, ('lite-s_hinge_vehicle', None)]
    # Source: the README's table, which the tests of the networks check against the paper.
    assert [round(model.parameters / 1e6, 1) for model in models] == [13.3, 2.8, 0.7]
    assert not any(module.training for model in models for module in model.segmentor.modules())


def test_peers_follow_and_equal_names_are_numbered(root):
    config = str(root / 'configs' / 'lite_hinge_vehicle.py')
    models = load_models([config, config, config], [], ['bisenetv1-r18'])
    assert [m.name for m in models] == ['lite_hinge_vehicle', 'lite_hinge_vehicle#2', 'lite_hinge_vehicle#3', 'bisenetv1-r18']
    assert models[-1].paper == 'r18'


def test_a_checkpoint_is_loaded_for_its_config(root, checkpoint):
    config = str(root / 'configs' / 'lite_hinge_vehicle.py')
    full = load_with_heads(config)
    torch.save({'state_dict': full, 'meta': {'dataset_meta': dict(classes=('a', 'b'), palette=[[0, 0, 0]] * 2)}}, checkpoint)
    first, second = load_models([config, config], ['none', str(checkpoint)], [])
    assert first.checkpoint is None
    assert second.checkpoint == str(checkpoint)
    weight = dict(second.segmentor.named_parameters())['decode_head.conv_seg.weight']
    assert torch.equal(weight, full['decode_head.conv_seg.weight'])


def load_with_heads(config):
    from mmseg.apis import init_model

    return {key: torch.full_like(value, 1) for key, value in init_model(config, device='cpu').state_dict().items()}


def test_fused_networks_are_timed_without_batch_norms(lite, monkeypatch):
    timed = []
    call = module.inference_model_call
    monkeypatch.setattr(module, 'inference_model_call', lambda network, frames: timed.append(network) or call(network, frames))
    operators = []
    for fuse in (False, True):
        how = Settings(CPU, scopes=('frame',), engines=('eager', 'inference-model'), fuse=fuse)
        eager, hosts = candidates(lite, (64, 64), how)
        assert eager.changed == hosts.changed == 0
        operators.append(len(eager.operations))
    norms = [len(batch_norms(network)) for network in timed]
    assert norms[1] == 0
    assert operators[0] - operators[1] == norms[0]


@pytest.mark.parametrize('peer', ['fastscnn', 'icnet'])
def test_runtimes_give_the_masks_of_any_model(lite, peer):
    models = [*lite, *load_models([], [], [peer])[2:]]
    how = Settings(CPU, scopes=('forward', 'frame'), engines=('onnxruntime', 'openvino'), batch=2)
    found = list(candidates(models, (128, 64), how))
    assert [(each.model.name, each.scope, each.engine, each.precision) for each in found] == [
        (model.name, 'frame', engine, 'fp32') for engine in how.engines for model in models
    ]
    for each in found:
        assert each.call().shape == (2, 64, 128)
        assert each.changed < 1e-3


@pytest.mark.skipif(not has_arithmetic(CPU, 'bf16'), reason='this CPU has no bfloat16')
def test_openvino_computes_in_bfloat16_with_pytorchs_threads(lite, monkeypatch):
    threads = []
    segmenter = engines.Segmenter
    monkeypatch.setattr(
        engines, 'Segmenter', lambda file, **options: threads.append(options['threads']) or segmenter(file, **options)
    )
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 1)
    how = Settings(CPU, scopes=('frame',), engines=('openvino',), precisions=('bf16',))
    for each in candidates(lite, (64, 64), how):
        assert each.precision == 'bf16'
        assert each.changed < 0.05
    assert threads == [1] * len(lite)


def test_a_network_that_a_runtime_cannot_take_is_named(lite, monkeypatch):
    def in_runtime(*_):
        raise InputError('no such operator')

    monkeypatch.setattr(module, 'in_runtime', in_runtime)
    how = Settings(CPU, scopes=('frame',), engines=('openvino',))
    message = 'lite_hinge_vehicle, openvino, fp32, 64x64: cannot be exported; leave this engine out: no such operator'
    with pytest.raises(InputError, match=message):
        list(candidates(lite, (64, 64), how))


def test_a_runtime_leaves_out_precisions_that_it_lacks(lite, monkeypatch):
    exported = []

    def in_runtime(engine, segmentor, size, batch, precision):
        exported.append((engine, precision))
        return lambda frames: frames[..., 0]

    monkeypatch.setattr(module, 'in_runtime', in_runtime)
    monkeypatch.setattr(module.Baseline, 'changed', lambda *_: 0.0)
    how = Settings(CPU, scopes=('frame',), engines=('onnxruntime', 'openvino'), precisions=('fp32', 'bf16'))
    assert len(list(candidates(lite, (64, 64), how))) == 3
    assert exported == [('onnxruntime', 'fp32'), ('openvino', 'fp32'), ('openvino', 'bf16')]


def test_wrong_files_are_named(root, tmp_path, checkpoint):
    config = str(root / 'configs' / 'lite_hinge_vehicle.py')
    empty, broken, headless, unknown, notes = (tmp_path / f'{name}' for name in ('e.py', 'b.py', 'h.py', 'u.py', 'n.txt'))
    empty.write_text('a = 1\n')
    broken.write_text('model = dict(\n')
    headless.write_text("model = dict(type='SegDataPreProcessor')\n")
    unknown.write_text("model = dict(type='Absent', backbone=dict(type='Absent'))\n")
    notes.write_text('notes\n')
    for configs, checkpoints, message in (
        (['absent.py'], [], r'absent\.py: there is no such config'),
        ([str(empty)], [], r'e\.py: this config defines no model'),
        ([str(broken)], [], r'b\.py: cannot be read as a config'),
        ([str(notes)], [], r'n\.txt: cannot be read as a config'),
        ([str(headless)], [], r'h\.py: no segmentor can be built'),
        ([str(unknown)], [], r'u\.py: no segmentor can be built'),
        ([config], ['absent.pth'], r'absent\.pth: there is no such checkpoint'),
        ([config], [str(checkpoint)], r'weights\.pth: its weights are not those of the config'),
        ([config], ['none', 'none'], '--checkpoint: 2 files for 1 configs'),
    ):
        with pytest.raises(InputError, match=message):
            load_models(configs, checkpoints, [])
    with pytest.raises(InputError, match="'unet' is not a peer; choose from bisenetv1-r18, "):
        load_models([config], [], ['unet'])


def test_each_scope_and_precision_is_made_ready(lite):
    settings = Settings(
        CPU, scopes=('forward', 'predict', 'frame'), precisions=('fp32', 'bf16'), batch=2, engines=('channels-last',)
    )
    with torch.no_grad():
        found = {(c.scope, c.precision): c for c in candidates(lite, (72, 40), settings)}
    assert len(found) == 6
    results = {key: candidate.call() for key, candidate in found.items()}
    assert results['forward', 'fp32'].shape == (2, 2, 40, 72)
    assert results['forward', 'bf16'].dtype == torch.bfloat16
    assert isinstance(results['frame', 'bf16'], np.ndarray)
    assert results['frame', 'fp32'].dtype == np.uint8
    assert np.array_equal(results['frame', 'fp32'], results['predict', 'fp32'].numpy())
    assert np.array_equal(results['frame', 'fp32'], results['forward', 'fp32'].argmax(1).numpy())
    assert found['forward', 'fp32'].changed < 0.001
    assert found['predict', 'bf16'].changed < 0.2
    # Half as wide numbers need half the memory.
    assert found['forward', 'bf16'].peak_bytes == pytest.approx(found['forward', 'fp32'].peak_bytes / 2, rel=0.02)
    convolutions = [sum(o.flops for o in candidate.operations) for candidate in found.values()]
    assert len(set(convolutions)) == 1


def test_the_segmentor_itself_is_left_alone(lite):
    before = {key: value.clone() for key, value in lite[0].segmentor.state_dict().items()}
    with torch.no_grad():
        list(candidates(lite, (40, 40), Settings(CPU, precisions=('bf16',), engines=('channels-last',))))
    after = lite[0].segmentor.state_dict()
    assert all(torch.equal(value, after[key]) and value.dtype == after[key].dtype for key, value in before.items())


def test_a_model_that_cannot_take_a_size_is_named(lite, root):
    models = [*lite, *load_models([str(root / 'configs' / 'lite_ce_human.py')], [], ['ddrnet23-slim'])[1:]]
    with torch.no_grad():
        check_sizes(models, [(400, 400), (640, 360)])
        with pytest.raises(InputError, match='ddrnet23-slim cannot take images of 100x50; try multiples of 8: '):
            check_sizes(models, [(400, 400), (100, 50)])


def test_a_result_that_differs_from_the_plain_one_is_refused(lite, monkeypatch):
    monkeypatch.setattr(module.SCOPES['forward'], 'forward', lambda self, image: torch.randn(1, 2, *image.shape[2:]))
    monkeypatch.setattr(module, 'Predict', lambda segmentor: lambda image: torch.zeros(1, *image.shape[2:], dtype=torch.uint8))
    with (
        torch.no_grad(),
        pytest.raises(InputError, match=r'forward, fp32, 40x40: \d+\.\d% of the pixels differ from the eager fp32 model'),
    ):
        list(candidates(lite, (40, 40), Settings(CPU)))


def test_scores_that_overflow_are_refused(lite, monkeypatch):
    monkeypatch.setattr(
        module.SCOPES['forward'], 'forward', lambda self, image: torch.full((1, 2, *image.shape[2:]), torch.inf)
    )
    monkeypatch.setattr(module, 'Predict', lambda segmentor: lambda image: torch.zeros(1, 40, 40, dtype=torch.uint8))
    with torch.no_grad(), pytest.raises(InputError, match='bf16, 40x40: the scores overflow'):
        list(candidates(lite, (40, 40), Settings(CPU, precisions=('bf16',))))


def test_compiled_code_decides_as_the_model_does(lite):
    settings = Settings(CPU, scopes=('frame',), engines=('compile',))
    with torch.no_grad():
        (candidate,) = candidates(lite, (64, 64), settings)
    assert candidate.changed < 0.001
    assert candidate.peak_bytes is None
    assert all(operation.flops for operation in candidate.operations)


def test_engines_follow_each_other_and_mmsegmentations_function_goes_from_frame_to_mask(lite):
    settings = Settings(
        CPU,
        scopes=('forward', 'frame'),
        precisions=('fp32', 'bf16'),
        engines=('inference-model', 'eager', 'channels-last'),
        batch=2,
    )
    with torch.no_grad():
        found = list(candidates(lite, (72, 40), settings))
    assert [(c.scope, c.engine, c.precision) for c in found] == [
        *(('forward', engine, precision) for engine in ('eager', 'channels-last') for precision in ('fp32', 'bf16')),
        ('frame', 'inference-model', 'fp32'),
        *(('frame', engine, precision) for engine in ('eager', 'channels-last') for precision in ('fp32', 'bf16')),
    ]
    theirs = found[4]
    assert theirs.changed == 0
    assert theirs.call().shape == (2, 40, 72)
    assert np.array_equal(theirs.call(), found[5].call())
    assert sum(o.flops for o in theirs.operations) == sum(o.flops for o in found[5].operations)


def test_frames_are_always_the_same():
    assert frames_of((48, 32), 2).shape == (2, 32, 48, 3)
    assert np.array_equal(frames_of((48, 32), 2), frames_of((48, 32), 2))
    assert frames_of((48, 32), 1).dtype == np.uint8


def test_what_a_device_cannot_do_is_one_line(lite, monkeypatch):
    def fail(self, image):
        raise torch.OutOfMemoryError('out of memory\nand so on')

    monkeypatch.setattr(module.SCOPES['forward'], 'forward', fail)
    monkeypatch.setattr(module, 'Predict', lambda segmentor: lambda image: torch.zeros(1, 40, 40, dtype=torch.uint8))
    with torch.no_grad(), pytest.raises(InputError, match=r'lite_hinge_vehicle, forward, bf16, 40x40: out of memory$'):
        list(candidates(lite, (40, 40), Settings(CPU, precisions=('bf16',))))


def test_graph_keeps_what_it_reads(monkeypatch):
    """A CUDA graph holds addresses alone: freed weights were an illegal memory access (seen on an H200, torch 2.11)."""
    cuda = MagicMock()
    monkeypatch.setattr('mmseg_bisenet_lite.benchmark.inference.candidates.torch.cuda', cuda)
    module = torch.nn.Linear(2, 2)
    weights = weakref.ref(module.weight)
    with torch.no_grad():
        replay = graphed(module, torch.ones(1, 2))
    del module
    gc.collect()
    assert weights() is not None
    replay(torch.zeros(1, 2))
    cuda.CUDAGraph().replay.assert_called_once_with()


def test_each_call_on_a_gpu_sets_tf32(monkeypatch):
    told = []
    monkeypatch.setattr(module, 'set_tf32', told.append)
    calls = [with_tf32(lambda: len(told), torch.device('cuda', 0), tf32) for tf32 in (True, False)]
    assert [call() for call in (*calls, *calls)] == [1, 2, 3, 4]
    assert told == [True, False] * 2
    assert with_tf32(lambda: 7, CPU, True)() == 7
    assert len(told) == 4


def test_inference_model_is_timed_in_fp32_on_a_gpu(lite, monkeypatch):
    told = []
    monkeypatch.setattr(module, 'set_tf32', told.append)
    monkeypatch.setattr(module, 'inference_model_call', lambda *_: lambda: 7)
    call = Baseline(lite[0], (64, 64), Settings(CPU)).call(engines.INFERENCE_MODEL, 'fp32', Settings(torch.device('cuda', 0)))
    assert (call(), told) == (7, [False])
