import copy

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn

from mmseg_bisenet_lite import AutoAmpOptimWrapper
from mmseg_bisenet_lite.engine import auto_amp_optim_wrapper as optim_wrapper
from mmseg_bisenet_lite.engine.auto_amp_optim_wrapper import NARROW, amp_dtype
from mmseg_bisenet_lite.utils import malloc
from mmseg_bisenet_lite.utils.errors import InputError

CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def _memory(monkeypatch):
    """The process of the tests keeps its habits."""
    monkeypatch.setattr(malloc, 'keep_memory', lambda: True)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 2, 1),
    )


def images(count=4):
    return torch.randn(count, 3, 12, 16, generator=torch.Generator().manual_seed(1))


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), **{'lr': 0.1, 'momentum': 0.9, **options})


def train(model, wrapper, batches, seen=None):
    losses = []
    for batch in batches:
        with wrapper.optim_context(model):
            scores = model(batch)
            if seen is not None:
                seen.append(scores.dtype)
            loss = (scores.float() - 1).square().mean()
        wrapper.update_params(loss)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=0.05)])
@pytest.mark.parametrize('accumulative_counts', [1, 3])
def test_in_float32_it_is_the_hosts_wrapper(clip_grad, accumulative_counts):
    options = dict(clip_grad=clip_grad, accumulative_counts=accumulative_counts)
    weights = []
    for kind, more in ((OptimWrapper, {}), (AutoAmpOptimWrapper, dict(dtype='float32'))):
        model = network()
        wrapper = kind(optimizer=sgd(model), **copy.deepcopy(options), **more)
        wrapper.initialize_count_status(model, 0, 6)
        train(model, wrapper, [images()] * 6)
        weights.append(model.state_dict())
    for key in weights[0]:
        torch.testing.assert_close(weights[1][key], weights[0][key], rtol=1e-5, atol=1e-6)


def test_accumulation_is_a_larger_batch():
    batch, steps = images(8), []
    for counts, parts in ((1, [batch]), (2, [batch[:4], batch[4:]])):
        model = network()
        model[1] = nn.Identity()  # the one layer in which samples of a batch meet
        wrapper = AutoAmpOptimWrapper(optimizer=sgd(model), dtype='float32', accumulative_counts=counts)
        train(model, wrapper, parts)
        steps.append(model[0].weight.detach())
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-5, atol=1e-6)


def test_bfloat16_changes_the_maps_and_not_the_weights():
    model, seen = network(), []
    wrapper = AutoAmpOptimWrapper(optimizer=sgd(model), dtype='bfloat16')
    mixed = train(model, wrapper, [images()] * 20, seen)
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.grad is None for p in model.parameters()} == {True}
    plain_model = network()
    plain = train(plain_model, OptimWrapper(optimizer=sgd(plain_model)), [images()] * 20)
    assert plain[-1] < 0.2 * plain[0]
    assert max(abs(a - b) for a, b in zip(mixed, plain, strict=True)) < 0.02 * plain[0]


def test_wide_convolutions_become_channels_last_and_narrow_ones_stay():
    model = network()
    wrapper = AutoAmpOptimWrapper(optimizer=sgd(model))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with wrapper.optim_context(model):
        pass
    layouts = [m.weight.is_contiguous(memory_format=torch.channels_last) for m in model if isinstance(m, nn.Conv2d)]
    assert layouts == [False, True, True]  # of a 1x1 convolution both layouts are the same
    assert model[0].out_channels < NARROW <= model[3].out_channels
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    plain = network()
    with AutoAmpOptimWrapper(optimizer=sgd(plain), channels_last=False).optim_context(plain):
        assert plain[3].weight.is_contiguous()


def test_narrow_maps_stay_channel_by_channel():
    wide, narrow = nn.Conv2d(3, NARROW, 3, padding=1), nn.Conv2d(NARROW, 2, 1)
    model = nn.Sequential(wide, narrow)
    with AutoAmpOptimWrapper(optimizer=sgd(model), dtype='float32').optim_context(model):
        pass
    inner = wide(images())
    assert inner.is_contiguous(memory_format=torch.channels_last)
    assert not inner.is_contiguous()
    assert narrow(inner).is_contiguous()


@pytest.mark.parametrize(('keep', 'device', 'calls'), [(True, 'cpu', 1), (False, 'cpu', 0), (True, 'meta', 0)])
def test_memory_is_kept_on_a_cpu(monkeypatch, keep, device, calls):
    called = []
    monkeypatch.setattr(malloc, 'keep_memory', lambda: called.append(1))
    model = network()
    wrapper = AutoAmpOptimWrapper(optimizer=sgd(model), keep_memory=keep, dtype='float32')
    wrapper.device = torch.device(device)
    for _ in range(2):
        wrapper._prepare(model) if device == 'meta' else train(model, wrapper, [images()])
    assert len(called) == calls


def scaled(model, **options):
    """As on a GPU: the scaling of float16, in float32."""
    wrapper = AutoAmpOptimWrapper(optimizer=sgd(model), dtype='float32', **options)
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=wrapper.fixed_scale or 1024.0, growth_interval=3)
    return wrapper


@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=0.05)])
def test_a_scaled_loss_moves_the_weights_as_far(clip_grad):
    weights = []
    for build in (lambda m, **o: AutoAmpOptimWrapper(optimizer=sgd(m), dtype='float32', **o), scaled):
        model = network()
        train(model, build(model, clip_grad=copy.deepcopy(clip_grad)), [images()] * 5)
        weights.append(model[3].weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)


def test_an_overflow_is_skipped_and_lowers_the_scale():
    model = network()
    wrapper = scaled(model)
    before = model[3].weight.detach().clone()
    with wrapper.optim_context(model):
        loss = model(images()).square().mean() * float('inf')
    wrapper.update_params(loss)
    assert torch.equal(model[3].weight, before)
    assert wrapper.loss_scaler.get_scale() == 512
    train(model, wrapper, [images()] * 4)
    assert not torch.equal(model[3].weight, before)
    assert wrapper.loss_scaler.get_scale() == 1024


def test_a_fixed_scale_stays():
    model = network()
    wrapper = scaled(model, loss_scale=8.0)
    train(model, wrapper, [images()] * 5)
    assert wrapper.loss_scaler.get_scale() == 8


def test_it_resumes_its_own_state_and_that_of_other_wrappers():
    model = network()
    wrapper = scaled(model)
    train(model, wrapper, [images()] * 4)
    state = wrapper.state_dict()
    assert state['loss_scaler']['scale'] == 2048
    resumed = scaled(model)
    resumed.load_state_dict(copy.deepcopy(state))
    assert resumed.loss_scaler.get_scale() == 2048
    momentum = [s['momentum_buffer'] for s in resumed.optimizer.state.values()]
    assert all(torch.equal(a, s['momentum_buffer']) for a, s in zip(momentum, wrapper.optimizer.state.values(), strict=True))

    cpu = AutoAmpOptimWrapper(optimizer=sgd(model))
    cpu.load_state_dict(copy.deepcopy(state))  # of a GPU
    assert 'loss_scaler' not in cpu.state_dict()
    for kind in (OptimWrapper, AmpOptimWrapper):
        hosts = kind(optimizer=sgd(model))
        AutoAmpOptimWrapper(optimizer=sgd(model)).load_state_dict(hosts.state_dict())


def test_auto_is_what_the_device_has(monkeypatch):
    for available, expected in ((True, torch.bfloat16), (False, torch.float32)):
        optim_wrapper._fastest.cache_clear()
        monkeypatch.setattr(optim_wrapper, 'has_arithmetic', lambda device, name, available=available: available)
        assert amp_dtype('auto', CPU) is expected
    optim_wrapper._fastest.cache_clear()
    monkeypatch.setattr(torch.version, 'cuda', '12.6')
    for capability, expected in (((7, 0), torch.float16), ((6, 1), torch.float32)):
        optim_wrapper._fastest.cache_clear()
        monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device, capability=capability: capability)
        assert amp_dtype('auto', torch.device('cuda')) is expected
    optim_wrapper._fastest.cache_clear()
    assert amp_dtype('auto', torch.device('mps')) is torch.float32
    assert amp_dtype('bfloat16', CPU) is amp_dtype(torch.bfloat16, CPU) is torch.bfloat16


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(dtype='fp16'), "dtype='fp16': choose from 'auto', 'float32'"),
        (dict(dtype='float16'), "dtype='float16': .* on a CPU use 'bfloat16'"),
        (dict(loss_scale='static'), "loss_scale='static'"),
        (dict(loss_scale=0), 'loss_scale=0: give'),
        (dict(loss_scale=-1.0), 'loss_scale=-1.0: give'),
        (dict(loss_scale=float('nan')), 'loss_scale=nan: give'),
        (dict(loss_scale=True), 'loss_scale=True: give'),
        (dict(loss_scale=dict(scale=2)), "loss_scale={'scale': 2}: "),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        AutoAmpOptimWrapper(optimizer=sgd(network()), **options)


def test_configs_build_it():
    wrapper = OPTIM_WRAPPERS.build(dict(type='AutoAmpOptimWrapper', optimizer=sgd(network()), clip_grad=dict(max_norm=1.0)))
    assert isinstance(wrapper, AutoAmpOptimWrapper)
    with pytest.raises(TypeError, match='chanels_last'):
        OPTIM_WRAPPERS.build(dict(type='AutoAmpOptimWrapper', optimizer=sgd(network()), chanels_last=True))


def test_it_compiles_the_backbone():
    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = network()

        def forward(self, x):
            return self.layers(x)

    class Segmentor(Backbone):
        def __init__(self):
            nn.Module.__init__(self)
            self.layers = self.backbone = Backbone()

    compiled, plain = Segmentor(), Segmentor()
    calls = []

    def backend(graph, inputs):
        calls.append(1)
        return graph

    losses = [
        train(model, AutoAmpOptimWrapper(optimizer=sgd(model), dtype='float32', compile=compile_), [images()] * 3)
        for model, compile_ in ((compiled, dict(backend=backend)), (plain, False))
    ]
    assert calls
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
