"""Convolutions whose weights can be rewritten: found by what they do, not by their names."""

import inspect
from collections.abc import Callable
from typing import Any, TypeGuard

import mmcv.cnn
import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# What reads a tensor's shape or type, not its values.
_READERS = {Tensor.shape.__get__, Tensor.dtype.__get__, Tensor.device.__get__, Tensor.size, Tensor.dim}  # type: ignore[attr-defined]


def is_plain(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a convolution that uses its weight as it is, without standardising or normalising it first."""
    plain = type(module) in (nn.Conv2d, mmcv.cnn.Conv2d)
    return plain and 'weight' in module._parameters  # type: ignore[union-attr]  # spectral_norm has a weight_orig there


def first_convolutions(segmentor: BaseSegmentor, image: Tensor) -> list[nn.Conv2d]:
    """Return the convolutions that take the image, if nothing else takes it, and if they take nothing else.

    Args:
        segmentor: The segmentor, of which ``extract_feat`` is run.
        image: Any image that it takes, on its device.
    """
    owners = {id(module.weight): module for module in segmentor.modules() if is_plain(module)}
    firsts: dict[int, nn.Conv2d] = {}
    elsewhere: set[int] = set()
    others: list[Callable] = []
    conv2d = inspect.unwrap(F.conv2d)  # NNCF 2.16 wraps torch's functions; a mode sees what they wrap

    class Takers(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            taken = any(leaf is image for leaf in tree_leaves((args, kwargs)))
            if function is conv2d and len(args) > 1 and id(args[1]) in owners:
                if args[0] is image:
                    firsts[id(args[1])] = owners[id(args[1])]
                else:
                    elsewhere.add(id(args[1]))
            elif taken and function not in _READERS:
                others.append(function)
            return function(*args, **(kwargs or {}))

    with torch.no_grad(), Takers():
        segmentor.extract_feat(image)
    return [] if others or firsts.keys() & elsewhere else list(firsts.values())
