"""Checkpoints that lie, were damaged or hold NaN, in every tool: one line that names the file, and never a result."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.apis import MMSegInferencer, init_model
from safetensors.torch import save_file

from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.pretrained.weights import load_from_safetensors, read_meta
from mmseg_bisenet_lite.utils.errors import InputError

NAN = float('nan')
OBJECTS = ({'a': 1}, [['a']], 3.5, b'a', torch.ones(2), {1, 2}, HistoryBuffer([1.0], [1]))

LIES = [
    *OBJECTS,
    'text',
    *({'dataset_meta': lie} for lie in ('text', 3, ['a'], [('classes', ['a', 'b'])], torch.ones(1))),
    *(
        {'dataset_meta': {'classes': lie}}
        for lie in (*OBJECTS, 7, [1, 2], ['a', ''], ['a', '\x1b[2J'], ['a', '\ud800'], ['x' * 1001], ['a'] * 100_001)
    ),
    *(
        {'dataset_meta': {'palette': lie}}
        for lie in (*OBJECTS, 'red', [[0, 0]], [[0, 0, 256]], [[0, 0, NAN]], [['a'] * 3], [1, 2], [[True] * 3])
    ),
    *({'CLASSES': lie} for lie in (7, [1], 'ab')),
    *(
        {key: lie}
        for key in ('margin_threshold', 'margin_folded')
        for lie in (*OBJECTS[:2], NAN, float('inf'), 1e9, 2**2000, '0', True, None, np.float64('nan'), np.zeros(2))
    ),
    *(
        {'margin_folded_heads': lie}
        for lie in (*OBJECTS[1:], 1.0, [1.0], {'a': NAN}, {'a\x1b': 0.0}, {str(i): 0.0 for i in range(65)})
    ),
    *(
        {'margin_calibration': lie}
        for lie in (*OBJECTS, None, [1, 0], {}, *({'temperature': t, 'bias': 0} for t in (0, -1, NAN, '1', 1e9, True)))
    ),
    *(
        {'margin_operating_points': {'threshold': [0, 1], 'precision': [0.5, 0.9], 'recall': [0.9, 0.5], **lie}}
        for lie in (
            {'recall': [0.9]},
            {'recall': [0.9, 1.1]},
            {'threshold': [1, 0]},
            {'threshold': [0, NAN]},
            {'precision': 'ab'},
        )
    ),
    *({'iter': lie} for lie in (-1, '3', 1.5, None, True, [3], 2**80)),
    *({'epoch': lie} for lie in (-1, '3')),
    *({'seed': lie} for lie in (-1, 'a', 2**40, 0.5)),
]


# JSON has no such key.
NUMBERED = {'margin_folded_heads': {1: 0.0}}


@pytest.mark.parametrize('meta', [*LIES, NUMBERED], ids=range(len(LIES) + 1))
def test_a_lie_is_refused(tmp_path, meta):
    if isinstance(meta, dict) and 'a' in meta:
        meta = [meta]
    torch.save(dict(state_dict={}, meta=meta), tmp_path / 'a.pth')
    with pytest.raises(InputError, match=r'a\.pth: ') as error:
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300
    assert all(key in str(error.value) for key in (meta if isinstance(meta, dict) else ['metadata']))


def fits_json(value):
    try:
        return bool(json.dumps(value))
    except TypeError:
        return False


@pytest.mark.parametrize(
    'meta', [lie for lie in LIES if isinstance(lie, dict) and 'a' not in lie and fits_json(lie)], ids=ascii
)
def test_a_lie_of_a_safetensors_file_is_refused(tmp_path, meta):
    save_file({'a': torch.ones(1)}, tmp_path / 'a.safetensors', {'mmseg_bisenet_lite': json.dumps(meta)})
    for load in (read_meta, load_from_safetensors, CheckpointLoader.load_checkpoint):
        with pytest.raises(InputError, match=r'a\.safetensors: .*must be'):
            load(str(tmp_path / 'a.safetensors'))


@pytest.mark.parametrize(
    'weights', [['a'], 'text', 3, {3: torch.ones(1)}, {('a',): torch.ones(1)}, HistoryBuffer([1.0], [1])], ids=range(6)
)
def test_what_is_no_state_dict_is_refused(tmp_path, weights):
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    with pytest.raises(InputError, match=r'a\.pth: its state_dict is no dict from names to weights'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))


def test_what_mmsegmentation_itself_writes_is_taken(tmp_path):
    """With 19 classes, the older names of classes, what a training leaves, and without a meta at all."""
    classes = tuple(f'class {number}' for number in range(19))
    cityscapes = dict(classes=classes, palette=[[number] * 3 for number in range(19)], label_map=None, reduce_zero_label=False)
    older = dict(
        CLASSES=classes, PALETTE=np.zeros((19, 3), np.int64), config='x = 1', epoch=0, iter=3, seed=None, env_info='a\nb'
    )
    hub = dict(
        log_scalars=OrderedDict(loss=HistoryBuffer([0.5], [1])), runtime_info=OrderedDict(cfg='x = 1\n'), resumed_keys={}
    )
    newer = dict(
        cfg='x = 1\n', dataset_meta=cityscapes, experiment_name='a_2026', time='now', seed=3, epoch=0, iter=np.int64(3)
    )
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 0.1, momentum=0.9)
    weight.sum().backward()
    optimizer.step()
    rest = dict(optimizer=optimizer.state_dict(), param_schedulers=[dict(power=0.9, last_step=3)], message_hub=hub)
    for number, meta in enumerate((older, newer, dict(dataset_meta=dict(classes=None, palette=[])), {}, None)):
        torch.save(dict(state_dict=dict(weight=weight), meta=meta, **rest), tmp_path / f'{number}.pth')
        found = CheckpointLoader.load_checkpoint(str(tmp_path / f'{number}.pth'))
        assert found.get('meta', {}).keys() == (meta or {}).keys() - {'config'}
        assert found['message_hub']['log_scalars']['loss'].mean() == 0.5
        assert found['optimizer']['state'][0]['momentum_buffer'].tolist() == [1, 1]


def test_mutations_never_end_in_a_trace(tmp_path):
    good = dict(
        state_dict=dict(a=torch.ones(8)), meta=dict(dataset_meta=dict(classes=('a', 'b')), loss=HistoryBuffer([0.5], [1]))
    )
    torch.save(good, tmp_path / 'a.pth')
    text = json.dumps(dict(dataset_meta=dict(classes=['a', 'b'])))
    save_file(good['state_dict'], tmp_path / 'a.safetensors', {'mmseg_bisenet_lite': text})
    rng = np.random.default_rng(1)
    for file in (tmp_path / 'a.pth', tmp_path / 'a.safetensors'):
        content, refused = file.read_bytes(), 0
        for _ in range(50):
            start, length = (int(value) for value in (rng.integers(len(content)), rng.integers(1, 30)))
            head, tail = content[:start], content[start + length :]
            file.write_bytes([head, head + tail, head + rng.bytes(length) + tail][int(rng.integers(3))])
            try:
                CheckpointLoader.load_checkpoint(str(file))
            except InputError as error:
                refused += file.name in str(error) and '\n' not in str(error)
        assert refused > 15


@pytest.fixture(scope='module')
def diverged(small_checkpoint, tmp_path_factory):
    """A checkpoint with one NaN."""
    content = torch.load(small_checkpoint, weights_only=True)
    content['state_dict']['decode_head.conv_seg.weight'][0, 0] = NAN
    file = tmp_path_factory.mktemp('diverged') / 'diverged.pth'
    torch.save(content, file)
    return str(file)


NOT_FINITE = r'the weight decode_head\.conv_seg\.weight is NaN or infinite, so its training has diverged; take an earlier'


def test_weights_that_are_not_finite_are_refused(small_config, diverged):
    config = str(small_config)
    for load in (
        lambda: init_model(config, diverged, device='cpu'),
        lambda: MMSegInferencer(config, diverged, device='cpu'),
        lambda: load_segmentor(config, read_config(config), diverged),
    ):
        with pytest.raises(InputError, match=NOT_FINITE):
            load()


@pytest.mark.parametrize(
    ('lie', 'message'),
    [
        (dict(classes=('a', 'b', 'c')), 'classes must be the names of two classes'),
        (dict(classes=('a', 'a')), 'classes must be the names of two classes that differ'),
        (dict(palette=[[0, 0, 0]]), 'palette must be 2 colours'),
    ],
)
def test_other_numbers_of_classes_than_the_networks_are_refused(small_config, small_checkpoint, tmp_path, lie, message):
    content = torch.load(small_checkpoint, weights_only=True)
    content['meta']['dataset_meta'].update(lie)
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(InputError, match=rf'a\.pth: {message}'):
        init_model(str(small_config), str(tmp_path / 'a.pth'), device='cpu')


def test_weights_of_a_type_without_arithmetic_are_refused(small_config, small_checkpoint, tmp_path):
    content = torch.load(small_checkpoint, weights_only=True)
    content['state_dict']['decode_head.conv_seg.bias'] = torch.ones(2, dtype=torch.uint8).view(torch.bits8)
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(InputError, match=r'a\.pth: '):
        init_model(str(small_config), str(tmp_path / 'a.pth'), device='cpu')


@pytest.mark.slow
@pytest.mark.parametrize('fault', ['diverged', 'lie'])
@pytest.mark.parametrize('tool', ['test.py', 'export.py', 'benchmark.py', 'publish.py', 'train.py'])
def test_every_tool_refuses_it(refused, root, small_config, small_checkpoint, diverged, tmp_path, monkeypatch, tool, fault):
    monkeypatch.chdir(tmp_path)
    file = diverged
    if fault == 'lie':
        content = torch.load(small_checkpoint, weights_only=True)
        content['meta']['dataset_meta'] = dict(classes=[1, 2], palette='red')
        file = str(tmp_path / 'lie.pth')
        torch.save(content, file)
    config = root / 'configs' / 'toy' / 'lite_hinge_vehicle.py' if tool == 'publish.py' else small_config
    arguments = {
        'test.py': (file,),
        'export.py': (file, '--size', '96x64', '--frames', 'renders', '--out', 'out'),
        'benchmark.py': ('--checkpoint', file, '--sizes', '96x64'),
        'publish.py': (file, 'out.safetensors'),
        'train.py': ('--cfg-options', f'load_from={file}'),
    }
    message = refused(tool, config, *arguments[tool])
    assert ('is NaN or infinite' if fault == 'diverged' else 'dataset_meta: classes must be a text of at most') in message
    assert not list(tmp_path.rglob('out*'))


@pytest.mark.slow
@pytest.mark.parametrize(
    'changes', [dict(meta=dict(iter=3)), dict(message_hub=3), dict(optimizer=['a']), dict(param_schedulers=[3])], ids=str
)
def test_a_training_state_that_is_damaged_is_refused(small_config, small_checkpoint, tmp_path, changes):
    config = read_config(str(small_config))
    config.work_dir = str(tmp_path / 'work')
    for split in ('train', 'val'):
        config[f'{split}_dataloader'].update(num_workers=0, persistent_workers=False)
    state = torch.load(small_checkpoint, weights_only=True)
    state.update(dict(message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={})), **changes)
    state['meta'] = {'epoch': 0, 'iter': 3, **state['meta']} if 'meta' not in changes else changes['meta']
    torch.save(state, tmp_path / 'a.pth')
    runner = Runner.from_cfg(config)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    with pytest.raises(
        InputError, match=r'a\.pth: cannot be resumed: its training state is missing, damaged or of another config'
    ):
        runner.resume(str(tmp_path / 'a.pth'), map_location='cpu')
