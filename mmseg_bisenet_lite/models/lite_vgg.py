"""LiteVGG: the paper's backbone of the context path."""

from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_bisenet_lite.models.batch_norms import use_running_statistics
from mmseg_bisenet_lite.utils.errors import InputError

# One row per block: the output channels of its 3x3 convolutions. Source: the paper's Table 1.
WIDTHS = ((8, 16), (16, 32), (64, 64), (128, 128), (256, 256))


@MODELS.register_module()
class LiteVGG(BaseModule):
    """Five blocks of 3x3 convolutions; each block halves the map, with a 2x2 max-pool at its end or with its first convolution.

    Args:
        in_channels: Number of channels of the image.
        widths: Output channels of the convolutions: five rows, one for each block, of at least one number.
        strided: Whether the first convolution of each block has stride 2, in place of the pool. The other convolutions then
            work on a map with a quarter of the pixels.
        residual: Whether each convolution that keeps the shape of its input adds that input to its output, a shortcut around
            one layer, which is to help deep blocks to learn. It has no weights.
        conv_cfg: Config of the convolutions; ``None`` is ``Conv2d``.
        norm_cfg: Config of the normalisation after each convolution.
        act_cfg: Config of the activation after each normalisation.
        frozen_stages: What is not trained, as in MMSegmentation's ResNet: -1 nothing; 0 the first block, a ResNet's stem;
            1 to 4 also the blocks of the first one to four maps. Frozen blocks have no gradients, and their batch norms keep
            their running statistics.
        norm_eval: Whether all batch norms keep and use their running statistics in training too.
        init_cfg: Config of the initialisation, as in every MMEngine module.

    Shape:
        - Input: ``(N, in_channels, H, W)``.
        - Output: four maps ``(N, widths[i][-1], ceil(H / s), ceil(W / s))`` of blocks 2 to 5, ``s`` = 4, 8, 16, 32.

    Raises:
        InputError: ``widths`` is not five rows of positive numbers, or ``frozen_stages`` is not a number from -1 to 4.

    Source: the paper's Table 1: 1,171,432 parameters and 14.1 GMAC at 1024x1024 by default. Shortcuts:
    https://arxiv.org/abs/1512.03385.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[Sequence[int]] = WIDTHS,
        strided: bool = False,
        residual: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict = dict(type='BN'),
        act_cfg: dict = dict(type='ReLU'),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(widths) != 5 or not all(isinstance(row, Sequence) and len(row) and min(row) > 0 for row in widths):
            raise InputError(f'widths must be five rows of positive channel numbers, not {widths!r}')
        if isinstance(frozen_stages, bool) or frozen_stages not in range(-1, 5):
            raise InputError(f'frozen_stages={frozen_stages!r}: give a whole number from -1 (none) to 4 (all)')
        self.residual, self.frozen_stages, self.norm_eval = residual, frozen_stages, norm_eval
        self.out_channels = tuple(row[-1] for row in widths[1:])
        self.blocks = nn.ModuleList()
        for row in widths:
            block = nn.Sequential()
            for number, out_channels in enumerate(row):
                block.append(
                    ConvModule(
                        in_channels,
                        out_channels,
                        kernel_size=3,
                        stride=2 if strided and number == 0 else 1,
                        padding=1,
                        conv_cfg=conv_cfg,
                        norm_cfg=norm_cfg,
                        act_cfg=act_cfg,
                    )
                )
                in_channels = out_channels
            if not strided:
                # The spatial path's strided convolutions round odd sizes up, so the pools must too.
                block.append(nn.MaxPool2d(kernel_size=2, ceil_mode=True))
            self.blocks.append(block)
        self.train()

    def train(self, mode: bool = True) -> 'LiteVGG':
        """Set the mode, except of what is frozen."""
        super().train(mode)
        for block in self.blocks[: self.frozen_stages + 1]:
            block.eval().requires_grad_(False)
        if self.norm_eval:
            use_running_statistics(self)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of blocks 2 to 5; see ``Shape``."""
        maps = []
        for block in self.blocks:
            for layer in block.children():
                x = x + layer(x) if self.residual and _keeps_shape(layer) else layer(x)
            maps.append(x)
        return tuple(maps[1:])  # strides 4, 8, 16, 32


def _keeps_shape(layer: nn.Module) -> bool:
    return isinstance(layer, ConvModule) and layer.in_channels == layer.out_channels and layer.stride == (1, 1)
