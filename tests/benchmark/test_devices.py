import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmseg_bisenet_lite.benchmark.devices import (
    EventClock,
    SynchronisedClock,
    check_precision,
    clock_of,
    device_name,
    find_device,
    set_tf32,
)
from mmseg_bisenet_lite.benchmark.inference.candidates import Settings
from mmseg_bisenet_lite.benchmark.inference.runner import _check_twice, check, prepare
from mmseg_bisenet_lite.benchmark.measure import HostClock
from mmseg_bisenet_lite.utils import precision
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.precision import PRECISIONS

CPU, CUDA = torch.device('cpu'), torch.device('cuda')
FRAME = ('frame',)
NO_CUDA = 'no CUDA device here'


@pytest.mark.parametrize('name', ['tpu', 'cuda:99', 'cpu:1', 'cuda:', 'CPU', ''])
def test_devices_that_are_not_here_are_refused(name):
    with pytest.raises(InputError, match='there is no such device; choose from cpu'):
        find_device(name)


def test_the_best_device_is_an_accelerator_or_the_cpu():
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else CPU
    assert find_device(None).type == accelerator.type
    assert find_device('cpu') == CPU
    assert device_name(CPU)


def test_each_kind_of_device_has_its_clock():
    assert isinstance(clock_of(CPU), HostClock)
    assert isinstance(clock_of(torch.device('cuda')), EventClock)
    assert isinstance(clock_of(torch.device('mps')), SynchronisedClock)


def test_tf32_is_no_precision_of_a_cpu():
    check_precision(CPU, 'fp32')
    with pytest.raises(InputError, match=r'--precision tf32: .* does not compute in tf32'):
        check_precision(CPU, 'tf32')


@pytest.mark.parametrize('name', ['bf16', 'fp16'])
def test_precisions_of_a_cpu_are_those_of_its_instructions(name, monkeypatch):
    precision.has_arithmetic.cache_clear()
    monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: False)
    with pytest.raises(InputError, match=f'--precision {name}'):
        check_precision(CPU, name)
    precision.has_arithmetic.cache_clear()


def test_options_that_the_device_cannot_do_are_refused():
    for settings, threads, message in (
        (Settings(CPU, cuda_graph=True), None, '--cuda-graph: cpu has no CUDA graphs'),
        (Settings(CPU, precisions=('fp32', 'tf32')), None, '--precision tf32'),
        (Settings(CPU), 0, '--threads 0: give 1 to'),
        (Settings(CPU), 10**6, '--threads 1000000'),
        (Settings(CPU, batch=0), None, '--batch 0'),
        (Settings(CPU, engines=('openvino',)), None, '--engine openvino: runs only with --scope frame; add it'),
        (
            Settings(CPU, engines=('openvino',), precisions=('fp16',)),
            None,
            '--engine openvino: runs only with --scope frame and --precision fp32 or bf16; add both',
        ),
        (Settings(CUDA, scopes=FRAME, engines=('onnxruntime',)), None, '--engine onnxruntime: is timed on the CPU'),
        (Settings(CPU, scopes=FRAME, engines=('openvino',), fuse=True), None, '--fuse: runtimes always fold batch norms'),
    ):
        with pytest.raises(InputError, match=message):
            check(settings, threads)


def test_a_missing_runtime_is_named_before_anything_is_timed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(InputError, match='pip install onnx onnxscript openvino'):
        check(Settings(CPU, scopes=FRAME, engines=('openvino',)), None)


@pytest.mark.parametrize(
    ('file', 'of', 'refused'),
    [('a.xml', 'fp32', True), ('a.xml', 'int8', False), ('a.xml', 'bf16', False), ('a.onnx', 'fp32', False)],
)
def test_an_engine_and_a_file_that_time_the_same_are_refused(file, of, refused):
    model, metadata = SimpleNamespace(name='lite'), SimpleNamespace(precision=of)
    exported = [SimpleNamespace(file=Path(file), metadata=metadata, model=model, takes=lambda size: True)]
    settings = Settings(CPU, scopes=FRAME, engines=('eager', 'openvino'), precisions=('fp32',))
    with pytest.raises(InputError, match=r'--exported a\.xml: --engine openvino times') if refused else nullcontext():
        _check_twice(exported, settings, [(64, 48)])


def test_memory_can_only_be_kept_by_glibc(monkeypatch):
    monkeypatch.setattr('platform.libc_ver', lambda: ('', ''))
    with pytest.raises(InputError, match='--keep-memory: needs the C library glibc'):
        prepare(Settings(CPU, keep_memory=True), None)


def test_tf32_is_a_switch():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    for allowed in (True, False):
        set_tf32(allowed)
        assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (allowed, allowed)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    assert [name for name, precision in PRECISIONS.items() if precision.tf32] == ['tf32']


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_CUDA)
def test_events_time_the_work_and_not_its_launch():
    left = torch.randn(4096, 4096, device='cuda')
    clock = EventClock()
    clock.time(lambda: left @ left)
    seconds = clock.time(lambda: [left @ left for _ in range(20)])
    assert seconds > 20 * 2 * 4096**3 / 2e15  # faster than any device


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_CUDA)
def test_a_graph_replays_with_new_inputs():
    from mmseg_bisenet_lite.benchmark.inference.candidates import graphed

    net = torch.nn.Conv2d(3, 4, 3).cuda().eval()
    with torch.no_grad():
        replay = graphed(net, torch.zeros(1, 3, 8, 8, device='cuda'))
        for _ in range(2):
            x = torch.randn(1, 3, 8, 8, device='cuda')
            assert torch.allclose(replay(x), net(x), atol=1e-4)
