"""Fixes for training without a GPU."""

from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix


@fix(
    'amp-on-cpu',
    broken='AmpOptimWrapper refuses to start without an accelerator, although autocast supports bfloat16 on CPUs',
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine allows AmpOptimWrapper on CPUs',
)
def _allow_amp_on_cpu() -> bool:
    import torch
    from mmengine.device import get_device

    if get_device() != 'cpu':
        return False
    from mmengine.optim.optimizer import amp_optimizer_wrapper as host

    host.is_cuda_available = lambda: True  # read by one assertion, in AmpOptimWrapper.__init__
    # bfloat16, the CPU's autocast type, has float32's range and needs no loss scaling.
    host.GradScaler = lambda *args, **kwargs: torch.amp.GradScaler('cpu', enabled=False)
    original = host.AmpOptimWrapper.state_dict

    def state_dict(self: Any) -> dict:
        return {
            key: value for key, value in original(self).items() if key != 'loss_scaler'
        }  # a GPU could not load this scaler's state

    host.AmpOptimWrapper.state_dict = state_dict
    return True


@fix(
    'launcher-on-cpu',
    broken='--launcher pytorch sets a CUDA device even if there is none',
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine starts the gloo backend on CPUs',
)
def _allow_launcher_on_cpu() -> bool:
    import torch.distributed
    from mmengine.device import get_device

    if get_device() != 'cpu':
        return False
    from mmengine.dist import utils
    from mmengine.runner import runner

    def _init_dist_pytorch(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
        torch.distributed.init_process_group(backend='gloo', **kwargs)

    wrapper = runner.MMDistributedDataParallel

    def without_devices(*args: Any, device_ids: Any = None, **kwargs: Any) -> Any:
        return wrapper(*args, **kwargs)

    utils._init_dist_pytorch = _init_dist_pytorch
    runner.MMDistributedDataParallel = without_devices
    return True
