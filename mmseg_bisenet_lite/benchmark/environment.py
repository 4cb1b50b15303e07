"""The environment of a measurement."""

import platform
from typing import Any

import torch

import mmseg_bisenet_lite
from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.benchmark.devices import device_name
from mmseg_bisenet_lite.utils.checkout import commit
from mmseg_bisenet_lite.utils.cpu import usable_cores
from mmseg_bisenet_lite.utils.library import RUNTIMES


def environment(device: torch.device) -> dict[str, Any]:
    """Return device, settings and versions, for the results file."""
    host = compat.host_name()
    record: dict[str, Any] = {
        'device': device_name(device),
        'device_type': device.type,
        'cores': usable_cores(),
        'threads': torch.get_num_threads(),
        'cpu_capability': torch.backends.cpu.get_cpu_capability(),
        'system': platform.platform(),
        'python': platform.python_version(),
        'torch': torch.__version__,
        'host': host,
        'mmseg_bisenet_lite': mmseg_bisenet_lite.__version__,
        'commit': commit(),
    }
    if host:
        mmseg, mmengine, mmcvs = compat.HOSTS[host]
        record |= {name: version for name in (mmseg, mmengine, *mmcvs) if (version := compat.version(name))}
    record |= {name: version for name in RUNTIMES if (version := compat.version(name))}
    if device.type == 'cuda':
        record |= {
            'cuda': torch.version.cuda,
            'cudnn': torch.backends.cudnn.version(),
            'cudnn_benchmark': torch.backends.cudnn.benchmark,
            'compute_capability': '.'.join(map(str, torch.cuda.get_device_capability(device))),
        }
    return record
