"""The types of a checkpoint beyond tensors and plain containers: read as records, and built only after a check.

PyTorch's restricted unpickler calls what it is told to allow with whatever the file gives. NumPy's own functions are not made
for that: an array of objects over bytes is a list of pointers that the file has chosen. So the unpickler gets a
:class:`Record` for each of their names, which only keeps what the file says. :func:`rebuilt` then makes arrays of numbers and
MMEngine's own types from the records, and refuses the rest.
"""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

# Deepest nesting of containers. MMEngine's own checkpoints have 6.
MOST_DEEP = 50


class RefusedError(ValueError):
    """A checkpoint holds what this module does not build."""


class Record:
    """Stand for a class or function that a file names: keep the arguments and the state that the file gives."""

    args: tuple[Any, ...]
    state: Any = None

    def __new__(cls, *args: Any) -> 'Record':
        """Keep the arguments of a call."""
        record = object.__new__(cls)
        record.args = args
        return record

    def __setstate__(self, state: Any) -> None:
        """Keep the state that the file restores after the call."""
        self.state = state


class Array(Record):
    """``numpy.core.multiarray._reconstruct(ndarray, shape, dtype)``, with the content as its state."""


class NDArray(Record):
    """``numpy.ndarray``, named by a file as the first argument of :class:`Array`."""


class Scalar(Record):
    """``numpy.core.multiarray.scalar(dtype, bytes)``."""


class DType(Record):
    """``numpy.dtype(code, ...)``, with the byte order in its state."""


class History(Record):
    """``mmengine.logging.HistoryBuffer``, the values of a logged number."""


class OneCycle(Record):
    """``mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler``, of which files name two functions."""


class NoBytes(Record):
    """``bytes()``, by which no bytes are pickled."""


class Member(Record):
    """``getattr(class, name)``, by which :class:`History` and :class:`OneCycle` pickle their functions."""


# The name in a file -> what the unpickler uses in its place.
RECORDS: dict[str, type[Record]] = {
    'numpy.ndarray': NDArray,
    'numpy.dtype': DType,
    'mmengine.logging.history_buffer.HistoryBuffer': History,
    'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler': OneCycle,
    **{f'{module}.getattr': Member for module in ('builtins', '__builtin__')},
    **{f'{module}.bytes': NoBytes for module in ('builtins', '__builtin__')},
    # NumPy 1 and 2 write different names.
    **{f'{module}._reconstruct': Array for module in ('numpy.core.multiarray', 'numpy._core.multiarray')},
    **{f'{module}.scalar': Scalar for module in ('numpy.core.multiarray', 'numpy._core.multiarray')},
}


def rebuilt(content: Any) -> Any:
    """Return the content of a checkpoint with every :class:`Record` built, in new containers of plain types.

    Raises:
        RefusedError: It holds another type, an array of anything but numbers, or containers that are nested too deeply or in
            each other.
    """
    return _Builder().build(content, 0)


class _Builder:
    """Build a content part by part; a part that is used in several places is built once."""

    def __init__(self) -> None:
        self._built: dict[int, Any] = {}
        self._open: set[int] = set()

    def build(self, part: Any, depth: int) -> Any:
        import torch

        if part is None or type(part) in (bool, int, float, complex, str, bytes, bytearray, torch.Size):
            return part
        if isinstance(part, torch.Tensor | torch.dtype | torch.device | torch.layout):
            return part
        key = id(part)  # all parts live as long as the content
        if key in self._built:
            return self._built[key]
        if key in self._open or depth > MOST_DEEP:
            raise RefusedError('its containers are nested too deeply')
        self._open.add(key)
        self._built[key] = self._new(part, depth + 1)
        self._open.remove(key)
        return self._built[key]

    def _new(self, part: Any, depth: int) -> Any:
        kind = type(part)
        if kind in (list, tuple, set):
            return kind([self.build(each, depth) for each in part])
        if kind in (dict, OrderedDict, Counter):
            found: Any = kind()
            for key, value in dict.items(part):
                found[_key(key)] = self.build(value, depth)
            versions = getattr(part, '_metadata', None)  # the versions of modules, which a state_dict keeps as an attribute
            if kind is OrderedDict and isinstance(versions, dict):
                found._metadata = self._versions(versions)
            return found
        if kind is Array:
            return _array(part)
        if kind is Scalar:
            return _scalar(part)
        if kind is History:
            return _history(part)
        if kind is Member:
            return _member(part)
        if kind is NoBytes and not part.args:
            return b''
        raise RefusedError(f'it holds {_name(part)}')

    def _versions(self, versions: dict) -> Any:
        found = OrderedDict()
        for key, value in dict.items(versions):
            if isinstance(key, str) and type(value) in (dict, OrderedDict):
                found[key] = {inner: each for inner, each in dict.items(value) if type(each) is int}
        return found


def _name(part: Any) -> str:
    """Return the name that a file used for a part."""
    names = [name for name, record in RECORDS.items() if part is record or type(part) is record]
    return names[0] if names else f'a {type(part).__name__}'


def _key(key: Any) -> Any:
    parts = key if type(key) is tuple else (key,)
    if not all(part is None or type(part) in (bool, int, float, str, bytes) for part in parts):
        raise RefusedError(f'it has a {type(key).__name__} for a key')
    return key


def _array(record: Array) -> np.ndarray:
    """Build an array of numbers from the type, the shape and the bytes in a file, which must fit each other."""
    state = record.state
    if record.args[:1] != (NDArray,) or type(state) is not tuple or len(state) != 5:
        raise RefusedError('it holds a NumPy array that was not written by NumPy')
    _, shape, kind, by_columns, content = state
    content = b'' if type(content) is NoBytes and not content.args else content
    dtype = _dtype(kind)
    if type(shape) is not tuple or len(shape) > 32 or not all(type(length) is int and length >= 0 for length in shape):
        raise RefusedError('it holds a NumPy array without a shape')
    if type(content) is not bytes or len(content) != math.prod(shape) * dtype.itemsize:
        raise RefusedError('it holds a NumPy array whose content does not fit its shape')
    return np.frombuffer(content, dtype).reshape(shape, order='F' if by_columns is True else 'C').copy('K')


def _scalar(record: Scalar) -> Any:
    dtype = _dtype(record.args[0] if record.args else None)
    content = record.args[-1]
    if len(record.args) != 2 or type(content) is not bytes or len(content) != dtype.itemsize:
        raise RefusedError('it holds a NumPy number that was not written by NumPy')
    return np.frombuffer(content, dtype)[0]


def _dtype(record: Any) -> np.dtype:
    """Build the type of a number: truth, whole, floating-point or complex, in the byte order of the file."""
    code = record.args[0] if type(record) is DType and record.args else None
    if type(code) is not str or not re.fullmatch(r'b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)', code):
        raise RefusedError(f'it holds a NumPy array of type {code!r:.40}, and only numbers are loaded')
    order: Any = record.state[1] if type(record.state) is tuple and len(record.state) > 1 else '='
    if order not in ('<', '>', '|', '='):
        raise RefusedError('it holds a NumPy type that was not written by NumPy')
    return np.dtype(code).newbyteorder(order)


def _history(record: History) -> Any:
    """Build a ``HistoryBuffer``. Its table of functions is the process's own: the class shares it among all buffers."""
    from mmengine.logging import HistoryBuffer

    state = record.state
    known = {'_log_history', '_count_history', 'max_length', 'statistics_methods'}
    if (
        type(state) is not dict
        or record.args
        or not state.keys() >= known - {'statistics_methods'}
        or not state.keys() <= known
    ):
        raise RefusedError('it holds a HistoryBuffer that was not written by MMEngine')
    logged, counts = (
        _array(each) if type(each) is Array else None for each in (state['_log_history'], state['_count_history'])
    )
    most = state['max_length']
    if logged is None or counts is None or logged.ndim != 1 or logged.shape != counts.shape or type(most) is not int:
        raise RefusedError('it holds a HistoryBuffer that was not written by MMEngine')
    if not 0 < len(logged) + 1 <= most + 1:
        raise RefusedError('it holds a HistoryBuffer that is longer than it may be')
    for method in (state.get('statistics_methods') or {}).values():
        _member(method)  # a file that names other functions was not written by MMEngine
    return HistoryBuffer(logged, counts, most)


def _member(record: Any) -> Callable:
    """Return one of the functions that MMEngine's checkpoints name."""
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    functions = {
        (History, 'min'): HistoryBuffer.min,
        (History, 'max'): HistoryBuffer.max,
        (History, 'current'): HistoryBuffer.current,
        (History, 'mean'): HistoryBuffer.mean,
        (OneCycle, '_annealing_cos'): OneCycleParamScheduler._annealing_cos,
        (OneCycle, '_annealing_linear'): OneCycleParamScheduler._annealing_linear,
    }
    args = record.args if type(record) is Member else ()
    if len(args) != 2 or not isinstance(args[0], type) or type(args[1]) is not str or args not in functions:
        raise RefusedError(f'it would run getattr({", ".join(_shown(each) for each in args)})')
    return functions[args]


def _shown(value: Any) -> str:
    return f'{value!r:.60}' if isinstance(value, str) else _name(value)
