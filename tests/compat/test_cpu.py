import torch
from mmengine.device import get_device
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


def test_amp_works_on_this_device():
    net = nn.Conv2d(3, 4, 1).to(get_device())
    seen = []
    net.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    wrapper = OPTIM_WRAPPERS.build(
        dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    )
    before = net.weight.detach().clone()
    with wrapper.optim_context(net):
        # The mean: the first loss scale, 65536, times the gradient of a sum overflows float16, and the step is left out.
        loss = net(torch.ones(1, 3, 4, 4, device=get_device())).float().mean()
    wrapper.update_params(loss)
    assert seen[0] in (torch.bfloat16, torch.float16)
    assert not torch.equal(before, net.weight)
    state = wrapper.state_dict()
    wrapper.load_state_dict(wrapper.state_dict())
    if get_device() == 'cpu':
        assert 'loss_scaler' not in state  # an enabled one, on a GPU, would refuse this one's
