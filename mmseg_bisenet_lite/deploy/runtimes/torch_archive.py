"""What a ``.pt2`` may hold, checked before PyTorch sees it.

``torch.export.load`` unpickles what an archive asks it to, prefers older, pickled forms of its parts, imports the types that
its signature names, and lets its graph call every operator, of which some read and write files. A file of ours needs none of
that: its weights are raw bytes, and its graph is a list of a few dozen operators on tensors. Everything else is refused.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.deploy.metadata import KEY
from mmseg_bisenet_lite.errors import InputError

# The parts by their names in the archive's one folder.
_RAW = re.compile(
    r'data/weights/weight_\d+|data/constants/tensor_\d+|archive_format|archive_version|byteorder|version|\.data/\w+'
    rf'|extra/{re.escape(KEY)}\.json'
)
_TABLES = re.compile(r'data/(weights/model_weights|constants/model_constants)_config\.json')
_INPUTS, _GRAPH = 'data/sample_inputs/model.pt', 'models/model.json'

# Operators of networks, from tensors to tensors.
_OPERATORS = (
    'abs|adaptive_avg_pool2d|adaptive_max_pool2d|add|addmm|amax|amin|arange|argmax|avg_pool2d|baddbmm|batch_norm'
    '|bitwise_and|bitwise_not|bitwise_or|bmm|cat|channel_shuffle|chunk|clamp|clamp_|clone|constant_pad_nd|contiguous'
    '|conv2d|conv_transpose2d|cos|div|div_|dropout|einsum|elu|eq|exp|expand|expand_as|feature_dropout|flatten|flip'
    '|floor|floor_divide|ge|gelu|group_norm|gt|hardsigmoid|hardswish|hardswish_|hardtanh|hardtanh_|index_select'
    '|instance_norm|layer_norm|le|leaky_relu|leaky_relu_|linear|linspace|log|logical_and|logical_not|logical_or|lt'
    '|masked_fill|matmul|max|max_pool2d|maximum|mean|min|minimum|mish|mm|mul|mul_|narrow|ne|neg|numpy_T|ones|ones_like'
    '|pad|permute|pixel_shuffle|pixel_unshuffle|pow|prelu|reciprocal|relu|relu6|relu6_|relu_|repeat|reshape|round'
    '|rsqrt|scalar_tensor|select|sigmoid|sigmoid_|silu|silu_|sin|slice|softmax|softplus|split|split_with_sizes|sqrt'
    '|squeeze|stack|sub|sub_|sum|sym_numel|sym_size|t|tanh|to|topk|transpose|unbind|unflatten|unsqueeze'
    '|upsample_bicubic2d|upsample_bilinear2d|upsample_nearest2d|var|view|view_as|where|zeros|zeros_like'
    '|_assert_tensor_metadata|_softmax|_to_copy|_unsafe_view'
)
_ARITHMETIC = 'getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|eq|ne|lt|le|gt|ge|and_|or_|not_'
_TARGET = re.compile(
    rf'torch\.ops\.aten\.({_OPERATORS})\.\w+|_operator\.({_ARITHMETIC})|torch\.sym_\w+|math\.(ceil|floor|trunc)'
)
_FORMULA = re.compile(r"(?:Symbol\('\w+'(?:, \w+=(?:True|False))*\)|[A-Z][A-Za-z]*\(|[\d\s,)-])*")  # SymPy's own notation
_SIGNATURE = {'type': ('builtins.tuple', 'builtins.list', 'builtins.dict', None), 'context': ('null', '[]', None)}

# Parts of a graph that hold code, or may.
_NEVER = ('guards_code', 'metadata', 'treespec_namedtuple_fields', 'as_operator', 'as_custom_obj', 'as_graph')


def checked_archive(file: Path, torch: Any) -> io.BytesIO:
    """The archive, written anew from the parts that were checked, so that PyTorch reads those and no others.

    Raises:
        InputError: Loading or running it could do more than compute with tensors, or it is no archive of a program.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            folder = names[0].partition('/')[0]
            parts = {name.removeprefix(f'{folder}/'): archive.read(name) for name in names}
        reason = next(_reasons(parts, torch), None)
    except (zipfile.BadZipFile, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f'{file}: not an exported program of PyTorch, or a truncated one') from error
    if reason:
        raise InputError(f'{file}: refused: {reason}')
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for name, content in parts.items():
            archive.writestr(f'{folder}/{name}', content)
    buffer.seek(0)
    return buffer


def _reasons(parts: dict[str, bytes], torch: Any) -> Iterator[str]:
    """What in the parts is not plain data."""
    for name, content in parts.items():
        if _TABLES.fullmatch(name):
            for key, entry in json.loads(content)['config'].items():
                if entry['use_pickle'] or not re.fullmatch(r'(weight|tensor)_\d+', entry['path_name']):
                    yield f'it would run {key}'
        elif name == _INPUTS:
            try:
                torch.load(io.BytesIO(content), weights_only=True)
            except Exception:  # whatever it is, it is no plain tensor
                yield f'it would run {name}'
        elif name == _GRAPH:
            yield from _code(json.loads(content))
        elif not _RAW.fullmatch(name):
            yield f'it holds {name}, which no export of ours does'


def _code(graph: Any) -> Iterator[str]:
    """Calls of other functions, formulas that are none, signatures of other types, and parts that no graph of ours has."""
    if isinstance(graph, list):
        for value in graph:
            yield from _code(value)
    elif isinstance(graph, dict):
        for key, value in graph.items():
            if key == 'target' and not _TARGET.fullmatch(str(value)):
                yield f'it would call {value}'
            elif key in ('expr_str', 'hint_expr_str') and not _FORMULA.fullmatch(str(value)):
                yield f'it would evaluate {value}'
            elif key in ('in_spec', 'out_spec') and not _plain_signature(json.loads(value)[1]):
                yield f'it would import what {key} names'
            elif key in _NEVER and value:
                yield f'it holds {key}, which no export of ours does'
            yield from _code(value)


def _plain_signature(spec: Any) -> bool:
    """Whether a tree of arguments is made of tuples, lists and dictionaries alone."""
    return (
        spec.keys() == {*_SIGNATURE, 'children_spec'}
        and all(spec[key] in allowed for key, allowed in _SIGNATURE.items())
        and all(map(_plain_signature, spec['children_spec']))
    )
