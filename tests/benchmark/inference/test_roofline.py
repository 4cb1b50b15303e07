import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmseg_bisenet_lite import BiSeNetLite
from mmseg_bisenet_lite.benchmark.inference.memory import peak_bytes
from mmseg_bisenet_lite.benchmark.inference.roofline import (
    Operation,
    least_seconds,
    matrix_product,
    memory_copy,
    multiply_accumulates,
    operations,
)

CPU = torch.device('cpu')


def test_what_a_convolution_computes_and_moves():
    conv = nn.Conv2d(3, 8, kernel_size=5, stride=2, padding=2, bias=False)
    outputs = 2 * 8 * 16 * 12
    moved = 4 * (2 * 3 * 32 * 24 + 8 * 3 * 5 * 5 + outputs)  # input, weights, output
    assert operations(conv, torch.zeros(2, 3, 32, 24)) == [Operation(2 * outputs * 3 * 5 * 5, moved)]
    half = operations(conv.bfloat16(), torch.zeros(2, 3, 32, 24, dtype=torch.bfloat16))
    assert half == [Operation(2 * outputs * 3 * 5 * 5, moved // 2)]


def test_pointwise_operators_move_their_tensors_unless_fused():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten())
    image = torch.zeros(1, 1, 10, 10)
    conv, relu = operations(net, image)  # a view moves nothing
    assert relu == Operation(0, 4 * 200)
    assert operations(net, image, fused=True) == [conv]


def test_counts_what_pytorch_counts():
    net = BiSeNetLite(backbone_cfg=dict(type='LiteVGG'), context_channels=(128, 128, 256)).eval()
    image = torch.zeros(1, 3, 96, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(image)
    assert 2 * multiply_accumulates(operations(net, image)) == counter.get_total_flops()


def test_the_least_time_is_that_of_the_tighter_limit_of_each():
    counted = [Operation(flops=100, bytes=1), Operation(flops=0, bytes=30), Operation(flops=10, bytes=20)]
    assert least_seconds(counted, flops=10, bandwidth=10) == pytest.approx(10 + 3 + 2)


def test_counting_leaves_the_module_alone():
    conv = nn.Conv2d(3, 8, 3)
    operations(conv, torch.zeros(1, 3, 8, 8))
    assert conv.weight.device == CPU
    assert conv(torch.zeros(1, 3, 8, 8)).isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_the_probes_do_what_they_say(dtype):
    probe = matrix_product(CPU, dtype)
    result = probe.call()
    assert result.dtype == dtype
    assert probe.amount == 2 * result.shape[0] * result.shape[1] * 2048
    copied = memory_copy(CPU, size=4096)
    assert copied.amount == 2 * 4096
    assert (copied.call() == 1).all()


def test_memory_of_a_call():
    # Three maps of 16 channels: the convolution's, ReLU's new one while the first is alive, the second's.
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)).eval()
    x = torch.zeros(1, 3, 64, 64)
    feature = 16 * 64 * 64 * 4
    weights = sum(p.numel() for p in net.parameters()) * 4
    found = peak_bytes(net, x, lambda: net(x), compiled=False)
    assert weights + 2 * feature <= found <= weights + 2 * feature + x.nbytes + 1024
    assert peak_bytes(net, x, lambda: net(x), compiled=True) is None
    assert all(p.grad is None and p.device == CPU for p in net.parameters())
