import functools
import http.server
import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.logging import HistoryBuffer
from mmengine.registry import OPTIM_WRAPPERS, PARAM_SCHEDULERS
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint
from mmengine.structures import PixelData
from mmseg.models.segmentors import SegTTAModel
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.compat import host
from mmseg_bisenet_lite.models.decision import margin_of_logits
from mmseg_bisenet_lite.utils.errors import InputError


class Payload:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, call, *args):
        self.call, self.args = call, args

    def __reduce__(self):
        return self.call, self.args


def test_every_fix_is_told():
    assert set(compat.apply_fixes()) == {fix.name for fix in compat.FIXES}
    assert all(fix.broken and fix.delete_when for fix in compat.FIXES)
    assert compat.apply_fixes()['compiled-ops'] == (compat.host_name() == 'OpenMMLab' and compat.version('mmcv') is None)


def test_a_missing_host_is_one_clear_line(tmp_path):
    # A new interpreter that has our package and nothing else.
    code = (
        'import sys; sys.path = [p for p in sys.path if "site-packages" not in p] + [sys.argv[1]]\n'
        'import mmseg_bisenet_lite as m\n'
        'try: m.LiteVGG\n'
        'except ImportError as error: print(error)'
    )
    root = compat.mim_folder('mmseg_bisenet_lite').parents[1]
    output = subprocess.run([sys.executable, '-I', '-c', code, str(root)], capture_output=True, text=True, check=True).stdout
    assert output.strip() == f'LiteVGG needs MMSegmentation: the module torch is missing: {host.INSTALL}'


def test_a_newer_mmcv_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(host, 'version', {'mmsegmentation': '1.2.2', 'mmcv': '2.2.0'}.get)
    assert compat.host_problem() == 'mmsegmentation refuses mmcv 2.2.0: install mmcv 2.1.0 or mmcv-lite 2.1.0'


@pytest.mark.skipif(not compat.apply_fixes()['compiled-ops'], reason='this host has compiled operators or guards their imports')
def test_compiled_ops_say_what_is_missing():
    from mmcv.ops import sigmoid_focal_loss

    with pytest.raises(RuntimeError, match='mmcv-lite'):
        sigmoid_focal_loss(torch.zeros(2, 2), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize(
    ('base', 'key'),
    [
        ('mmseg::_base_/models/bisenetv1_r18-d32.py', 'model'),
        ('mmseg_bisenet_lite::lite_hinge_vehicle.py', 'model'),
        ('mmseg_bisenet_lite::camvid/lite_ce_human.py', 'train_dataloader'),
    ],
)
def test_configs_of_packages_can_be_bases(tmp_path, base, key):
    path = tmp_path / 'child.py'
    path.write_text(f'_base_ = {base!r}\n')
    assert key in Config.fromfile(path)


def test_a_wrong_package_config_is_named(tmp_path):
    path = tmp_path / 'child.py'
    path.write_text("_base_ = 'mmseg_bisenet_lite::nowhere.py'\n")
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py'):
        Config.fromfile(path)


def test_mmengines_own_checkpoints_load(tmp_path):
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    history.update(0.125)
    meta = dict(
        loss=history,
        scalar=np.float64(0.5),
        array=np.arange(3),
        small=[np.zeros(1, code) for code in ('f2', 'f4', 'i1', 'u2', 'c8', '?')],
        cfg='x = 1',
        iter=3,
    )
    save_checkpoint(dict(state_dict=dict(weight=torch.ones(2)), meta=meta), str(tmp_path / 'iter_3.pth'))
    checkpoint = CheckpointLoader.load_checkpoint(str(tmp_path / 'iter_3.pth'))
    assert checkpoint['state_dict']['weight'].tolist() == [1, 1]
    assert checkpoint['meta']['loss'].mean() == history.mean()
    assert checkpoint['meta']['loss'].statistics('min') == 0.125
    assert checkpoint['meta']['array'].tolist() == [0, 1, 2]
    assert checkpoint['meta']['scalar'] == 0.5


def test_checkpoints_of_numpy_1_load(tmp_path):
    path = tmp_path / 'old.pth'
    # The legacy format has no lengths and checksums, so that the name NumPy 1 would have written can be put in place.
    torch.save(dict(array=np.arange(3)), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b'numpy._core.multiarray', b'numpy.core.multiarray'))
    assert CheckpointLoader.load_checkpoint(str(path))['array'].tolist() == [0, 1, 2]


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize(
    'attack',
    [
        lambda path: Payload(open, path, 'w'),
        lambda path: Payload(exec, f'open({path!r}, "w")'),
        lambda path: Payload(getattr, np.ndarray, 'tofile'),
        lambda path: Payload(getattr, HistoryBuffer, '__init__'),
    ],
)
def test_a_checkpoint_that_carries_code_is_refused(tmp_path, attack, legacy):
    path, victim = tmp_path / 'evil.pth', tmp_path / 'victim'
    torch.save(dict(state_dict={}, meta=attack(str(victim))), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r'evil\.pth: refused') as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert not victim.exists()
    assert '\n' not in str(error.value)


def served(folder):
    """A server of a folder on the loopback interface."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_every_scheme_loads_safely(tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path / 'home'))
    (tmp_path / 'home').mkdir()
    save_checkpoint(dict(state_dict={}, meta=dict(loss=HistoryBuffer([0.5], [1]))), str(tmp_path / 'good.pth'))
    torch.save(dict(meta=Payload(getattr, HistoryBuffer, '__init__')), tmp_path / 'evil.pth')
    (tmp_path / 'home' / 'open_mmlab.json').write_text(json.dumps(dict(evil='../evil.pth', good='../good.pth')))
    server = served(tmp_path)
    try:
        for prefix, suffix in ((f'http://127.0.0.1:{server.server_port}/', '.pth'), ('open-mmlab://', '')):
            good = CheckpointLoader.load_checkpoint(f'{prefix}good{suffix}')
            assert good['meta']['loss'].mean() == 0.5
            with pytest.raises(InputError, match='refused: it would run getattr'):
                CheckpointLoader.load_checkpoint(f'{prefix}evil{suffix}')
    finally:
        server.shutdown()


@pytest.mark.parametrize('name', ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'])
def test_torchs_own_switches_are_left_as_they_were(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, '1')
    torch.save(dict(meta=Payload(open, str(tmp_path / 'victim'), 'w')), tmp_path / 'evil.pth')
    with pytest.raises(InputError, match='refused'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'evil.pth'))
    assert not (tmp_path / 'victim').exists()
    assert os.environ[name] == '1'


@pytest.mark.parametrize('policy', ['PolyLR', 'OneCycleLR', 'CosineAnnealingLR', 'LinearLR', 'MultiStepLR'])
def test_every_schedulers_state_loads(tmp_path, policy):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    options = dict(
        OneCycleLR=dict(eta_max=0.1, total_steps=9), CosineAnnealingLR=dict(T_max=9), MultiStepLR=dict(milestones=[3])
    )
    scheduler = PARAM_SCHEDULERS.build(dict(type=policy, optimizer=optimizer, **options.get(policy, {})))
    save_checkpoint(dict(param_schedulers=[scheduler.state_dict()]), str(tmp_path / 'a.pth'))
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))['param_schedulers'][0]
    assert loaded.keys() == scheduler.state_dict().keys()


def test_what_is_not_a_dict_is_named(tmp_path):
    torch.save([torch.ones(1)], tmp_path / 'list.pth')
    with pytest.raises(InputError, match=r'list\.pth: holds a list, but a checkpoint is a dict'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'list.pth'))


@pytest.mark.parametrize('legacy', [False, True])
def test_damaged_bytes_are_named(tmp_path, legacy):
    torch.save(dict(weight=torch.ones(8), name='x' * 40), tmp_path / 'whole.pth', _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / 'whole.pth').read_bytes()
    path = tmp_path / 'damaged.pth'
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[random.integers(len(whole), size=20)] = random.integers(256, size=20)
        path.write_bytes(damaged.tobytes())
        try:
            CheckpointLoader.load_checkpoint(str(path))
        except InputError as error:
            refused += 'damaged.pth' in str(error) and '\n' not in str(error)
    assert refused > 10


@pytest.mark.parametrize('content', [b'', b'no checkpoint', None])
def test_a_broken_checkpoint_is_named(tmp_path, content):
    path = tmp_path / 'cut.pth'
    torch.save(dict(weight=torch.ones(1000)), path)
    path.write_bytes(path.read_bytes()[:-500] if content is None else content)
    with pytest.raises(InputError, match=r'cut\.pth'):
        CheckpointLoader.load_checkpoint(str(path))


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'absent\.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'absent.pth'))


def test_a_checkpoint_being_written_is_not_there_yet(tmp_path, monkeypatch):
    target = tmp_path / 'iter_1.pth'
    LocalBackend().put(b'old', str(target))

    class StopError(Exception):
        pass

    def stop(source, destination):
        assert target.read_bytes() == b'old'
        raise StopError

    monkeypatch.setattr(Path, 'replace', stop)
    with pytest.raises(StopError):
        LocalBackend().put(b'new', str(target))
    assert target.read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['iter_1.pth']
    monkeypatch.undo()
    LocalBackend().put(b'new', str(target))
    LocalBackend().put_text('text', str(tmp_path / 'notes'))
    assert target.read_bytes() == b'new'
    assert (tmp_path / 'notes').read_text() == 'text'


def test_amp_works_on_this_device():
    net = nn.Conv2d(3, 4, 1)
    seen = []
    net.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    wrapper = OPTIM_WRAPPERS.build(
        dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    )
    before = net.weight.detach().clone()
    with wrapper.optim_context(net):
        loss = net(torch.ones(1, 3, 4, 4)).float().sum()
    wrapper.update_params(loss)
    assert seen[0] in (torch.bfloat16, torch.float16)
    assert not torch.equal(before, net.weight)
    state = wrapper.state_dict()
    wrapper.load_state_dict(wrapper.state_dict())
    if not torch.cuda.is_available():
        assert 'loss_scaler' not in state  # an enabled one, on a GPU, would refuse this one's


def test_a_half_written_last_checkpoint_does_not_lose_the_run(tmp_path):
    from mmengine.runner import runner

    assert runner.find_latest_checkpoint(str(tmp_path)) is None
    (tmp_path / 'last_checkpoint').write_text('')
    assert runner.find_latest_checkpoint(str(tmp_path)) is None
    for name in ('iter_20.pth', 'iter_100.pth', 'best_mIoU_iter_300.pth.tmp'):
        (tmp_path / name).touch()
    assert runner.find_latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_100.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_20.pth'))
    assert runner.find_latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_20.pth')


def test_a_module_that_does_not_import_is_named(monkeypatch):
    def broken(name):
        if name == 'cv2':
            raise ImportError('libGL.so.1: cannot open shared object file')

    monkeypatch.setattr(importlib, 'import_module', broken)
    assert compat.host_problem().startswith('the module cv2 cannot be imported: libGL.so.1')


class OneMap(nn.Module):
    """A segmentor with one score map, as far as SegTTAModel looks."""

    out_channels = 1

    class decode_head:  # noqa: N801
        threshold = 0.5


def test_tta_of_one_score_map_averages_probabilities():
    probabilities = torch.tensor([[0.1, 0.4, 0.9, 0.0], [0.2, 0.7, 0.2, 1.0]])
    views = [
        SegDataSample(metainfo=dict(img_path='a.png'), seg_logits=PixelData(data=row.reshape(1, 1, 4))) for row in probabilities
    ]
    tta = SegTTAModel.__new__(SegTTAModel)
    nn.Module.__init__(tta)
    tta.module = OneMap()
    (merged,) = tta.merge_preds([views])
    assert merged.pred_sem_seg.data.flatten().tolist() == [0, 1, 1, 0]
    assert torch.allclose(merged.seg_logits.data.flatten(), probabilities.mean(0))


def test_tta_hands_on_the_same_margin_for_two_score_maps_as_for_one():
    scores = torch.randn(3, 1, 4, 5)  # of three views
    margins = []
    for maps in (1, 2):
        views = [score.sigmoid() if maps == 1 else torch.cat([-score / 2, score / 2]) for score in scores]
        samples = [SegDataSample(metainfo=dict(img_path='a.png'), seg_logits=PixelData(data=view)) for view in views]
        tta = SegTTAModel.__new__(SegTTAModel)
        nn.Module.__init__(tta)
        tta.module = OneMap()
        tta.module.out_channels = maps
        (merged,) = tta.merge_preds([samples])
        margins.append(margin_of_logits(merged.seg_logits.data))
        assert torch.equal(merged.pred_sem_seg.data.squeeze().bool(), margins[-1] > 0)
    assert torch.allclose(*margins, atol=1e-4)
    assert torch.allclose(margins[0].sigmoid(), scores.sigmoid().mean(0)[0], atol=1e-5)


@pytest.mark.parametrize(
    ('sampler', 'diff_rank_seed'),
    [('SeededInfiniteSampler', False), ('SeededInfiniteSampler', True), ('InfiniteSampler', False)],
)
def test_a_resumed_run_goes_on_with_the_data_where_it_ended(small_config, tmp_path, monkeypatch, sampler, diff_rank_seed):
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    from mmseg_bisenet_lite import CityscapesVehicleDataset

    loaded = []
    prepare_data = CityscapesVehicleDataset.prepare_data
    monkeypatch.setattr(CityscapesVehicleDataset, 'prepare_data', lambda self, i: loaded.append(i) or prepare_data(self, i))

    class Capture(Hook):
        def __init__(self):
            self.batches = []

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            names = [sample.img_path for sample in data_batch['data_samples']]
            drawn = [hash(pixels.numpy().tobytes()) for pixels in data_batch['inputs']]
            self.batches.append((batch_idx, names, drawn if sampler == 'SeededInfiniteSampler' else None))

    def run(folder, iters, **options):
        config = Config.fromfile(small_config)
        config.merge_from_dict(
            {
                'work_dir': str(tmp_path / folder),
                'experiment_name': f'{sampler}-{folder}-{iters}',
                'train_dataloader.num_workers': 0,
                'train_dataloader.persistent_workers': False,
                'train_dataloader.batch_size': 3,
                'train_dataloader.sampler': dict(type=sampler, shuffle=True),
                'train_dataloader.dataset.pipeline.2.crop_size': (32, 48),
                'model.data_preprocessor.size': (32, 48),
                'randomness.diff_rank_seed': diff_rank_seed,
                'train_cfg.max_iters': iters,
                'train_cfg.val_interval': 100,
                'default_hooks.checkpoint': dict(type='CheckpointHook', by_epoch=False, interval=1),
                'val_cfg': None,
                'val_dataloader': None,
                'val_evaluator': None,
                **options,
            }
        )
        config.optim_wrapper.keep_memory = False
        runner = Runner.from_cfg(config)
        runner.model.train_step = lambda data, optim_wrapper: dict(loss=torch.zeros(()))
        capture = Capture()
        runner.register_hook(capture)
        loaded.clear()
        runner.train()
        return capture.batches, runner.train_dataloader.sampler.seed

    begun, seed = run('interrupted', 4, **{'randomness.seed': None})
    resumed, resumed_seed = run('interrupted', 7, **{'randomness.seed': None, 'resume': True})
    assert resumed_seed == seed
    assert len(loaded) == 3 * 3  # only what is new
    whole, _ = run('whole', 7, **{'train_dataloader.sampler': dict(type=sampler, shuffle=True, seed=seed)})
    assert begun + resumed == whole
    assert [number for number, *_ in resumed] == [4, 5, 6]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('ignored', [0, 7, 40])
def test_two_classes_are_counted_as_the_host_does(dtype, ignored):
    from mmseg.models.decode_heads import decode_head
    from mmseg.models.losses import accuracy

    scores = torch.randn(2, 2, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    target = torch.randint(0, 2, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    target.view(-1)[:ignored] = 255
    ours, hosts = (count(scores, target, ignore_index=255) for count in (decode_head.accuracy, accuracy))
    assert decode_head.accuracy is not accuracy
    assert ours.shape == hosts.shape
    torch.testing.assert_close(ours, hosts)
    for options in (dict(topk=(1, 2)), dict(ignore_index=None)):
        assert decode_head.accuracy(scores, target.clamp(max=1), **options) == accuracy(scores, target.clamp(max=1), **options)
