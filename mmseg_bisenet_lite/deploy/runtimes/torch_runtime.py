"""PyTorch, for exported programs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.deploy.library import need
from mmseg_bisenet_lite.deploy.metadata import KEY, Metadata
from mmseg_bisenet_lite.deploy.runtimes.runtime import only_precision
from mmseg_bisenet_lite.deploy.runtimes.torch_archive import checked_archive
from mmseg_bisenet_lite.errors import named


class TorchRuntime:
    """A ``.pt2`` file in PyTorch; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`."""

    name = 'torch'

    def __init__(self, file: Path, device: str | None, threads: int | None, precision: str | None) -> None:
        torch = self._torch = need('torch', 'torch')
        archive = checked_archive(file, torch)
        extra = {f'{KEY}.json': ''}
        with named(f'{file}: PyTorch {torch.__version__} cannot load it', RuntimeError, ValueError, KeyError):
            program = torch.export.load(archive, extra_files=extra)
        self.metadata = Metadata.from_json(extra[f'{KEY}.json'], file)
        self.precision = only_precision(self.metadata, precision, file)
        with named(f'device={device!r}', RuntimeError, AssertionError):
            self._device = torch.device(device or 'cpu')
            torch.empty(0, device=self._device)
            program = need('torch.export.passes', 'torch').move_to_device_pass(program, self._device)
        if threads is not None:
            torch.set_num_threads(threads)
        # The frames come channels last, so nothing has to be rearranged.
        self._module = program.module().to(memory_format=torch.channels_last)

    def __call__(self, frames: np.ndarray) -> Sequence[np.ndarray]:
        """Run it."""
        torch = self._torch
        with torch.inference_mode():
            # PyTorch takes no array that is read only.
            writable = frames if frames.flags.writeable else frames.copy()
            outputs = self._module(torch.from_numpy(writable).to(self._device))
            outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
            return [output.cpu().numpy() for output in outputs]


load = TorchRuntime
