import functools
import http.server
import json
import os
import threading
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint
from torch import nn

from mmseg_bisenet_lite.compat import check_weights
from mmseg_bisenet_lite.utils.errors import InputError


class Payload:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, call, *args):
        self.call, self.args = call, args

    def __reduce__(self):
        return self.call, self.args


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


def test_a_checkpoint_that_grows_on_reading_is_refused(tmp_path):
    """PyTorch reads compressed zip files too, and a small one can hold more than the memory."""
    torch.save(dict(weight=torch.zeros(10**6)), tmp_path / 'whole.pth')
    with (
        zipfile.ZipFile(tmp_path / 'whole.pth') as whole,
        zipfile.ZipFile(tmp_path / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED) as bomb,
    ):
        for record in whole.namelist():
            bomb.writestr(record, whole.read(record))
    with pytest.raises(InputError, match=r'bomb\.pth: refused: its content is compressed, which torch\.save never does'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'bomb.pth'))


@pytest.mark.parametrize('legacy', [False, True])
def test_another_pickle_protocol_is_named(tmp_path, legacy):
    path = tmp_path / 'a.pth'
    torch.save(dict(weight=torch.zeros(1)), path, pickle_protocol=4, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(
        InputError, match=r'a\.pth: refused: it is not as torch\.save writes by default, with pickle protocol 2'
    ):
        CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('weight', torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), 'of another shape'),
        ('weight', torch.ones(2, dtype=torch.complex64), 'no plain tensor'),
        ('weight', torch.ones(2).to_sparse(), 'no plain tensor'),
        ('running_var', -torch.ones(2), 'running_var holds a variance below 0'),
    ],
)
def test_weights_that_cannot_be_those_of_a_network_are_refused(key, value, message):
    network = nn.BatchNorm2d(2)
    with pytest.raises(InputError, match=rf'a\.pth: .*{message}'):
        check_weights(network, dict(state_dict={**network.state_dict(), key: value}), 'a.pth')
