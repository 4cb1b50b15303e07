"""PyTorch, for exported programs."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy.library import need
from mmseg_bisenet_lite.deploy.metadata import KEY, Metadata
from mmseg_bisenet_lite.deploy.runtimes.runtime import only_precision
from mmseg_bisenet_lite.errors import InputError, named


class TorchRuntime:
    """A ``.pt2`` file in PyTorch; see :class:`~mmseg_bisenet_lite.deploy.runtimes.Runtime`."""

    name = 'torch'

    def __init__(self, file: Path, device: str | None, threads: int | None, precision: str | None) -> None:
        torch = self._torch = need('torch', 'torch')
        check_archive(file, torch)
        extra = {f'{KEY}.json': ''}
        with named(f'{file}: PyTorch {torch.__version__} cannot load it', RuntimeError, ValueError, KeyError):
            program = torch.export.load(file, extra_files=extra)
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
            outputs = self._module(torch.from_numpy(frames).to(self._device))
            outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
            return [output.cpu().numpy() for output in outputs]


load = TorchRuntime

# What a graph of ours calls: PyTorch's operators, and arithmetic on sizes where those are free.
_ARITHMETIC = 'getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|eq|ne|lt|le|gt|ge|and_|or_|not_'
_TARGET = re.compile(rf'torch\.ops\.aten\.\w+\.\w+|_operator\.({_ARITHMETIC})|torch\.sym_\w+|math\.\w+')
_FORMULA = re.compile(r"(?:Symbol\('\w+'(?:, \w+=(?:True|False))*\)|[A-Z][A-Za-z]*\(|[\d\s,)-])*")  # SymPy's own notation
_FOLDERS = ('data/weights/', 'data/constants/', 'data/sample_inputs/', 'models/', 'extra/', '.data/')
_FILES = ('archive_format', 'archive_version', 'byteorder', 'version')


def check_archive(file: Path, torch: Any) -> None:
    """Raise an :class:`InputError` if loading or running the program could do more than compute with tensors.

    ``torch.export.load`` unpickles, and evaluates, whatever an archive asks it to. Ours asks for nothing: weights are raw
    bytes, and the graph is a list of PyTorch's operators.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name.partition('/') for name in archive.namelist()]
            if len({folder for folder, _, _ in names}) != 1 or len(set(names)) != len(names):
                raise ValueError
            entries = {rest: archive.read('/'.join((folder, rest))) for folder, _, rest in names}
            reason = next(_reasons(entries, torch), None)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f'{file}: not an exported program of PyTorch, or a truncated one') from error
    if reason:
        raise InputError(f'{file}: refused: {reason}')


def _reasons(entries: dict[str, bytes], torch: Any) -> Iterator[str]:
    """What in the archive is not plain data."""
    for name, content in entries.items():
        if not name.startswith(_FOLDERS) and name not in _FILES:
            yield f'it holds {name}, which no export of ours does'
        elif name.startswith('data/sample_inputs/'):
            try:
                torch.load(io.BytesIO(content), weights_only=True)
            except Exception:  # whatever it is, it is no plain tensor
                yield f'it would run {name}'
        elif name.endswith('_config.json'):
            for key, entry in json.loads(content)['config'].items():
                if entry['use_pickle'] or not entry['path_name'].startswith(('weight_', 'tensor_')):
                    yield f'it would run {key}'
        elif name.startswith('models/'):
            yield from _code(json.loads(content))


def _code(graph: Any) -> Iterator[str]:
    """Calls of what is no operator, and formulas that are none."""
    if isinstance(graph, list):
        for value in graph:
            yield from _code(value)
    elif isinstance(graph, dict):
        for key, value in graph.items():
            if key == 'target' and not _TARGET.fullmatch(str(value)):
                yield f'it would call {value}'
            if key in ('expr_str', 'hint_expr_str') and not _FORMULA.fullmatch(str(value)):
                yield f'it would evaluate {value}'
            if key == 'guards_code' and value:
                yield f'it would evaluate {value[0]}'
            yield from _code(value)
