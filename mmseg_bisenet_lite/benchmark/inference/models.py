"""Loads the models to compare, from configs, checkpoints and names of peers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config
from mmseg.models import BaseSegmentor, BiSeNetV1, ResNet
from mmseg.registry import MODELS

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.peers import peer_config
from mmseg_bisenet_lite.models import BiSeNetLite, LiteVGG
from mmseg_bisenet_lite.models.rep_conv import inference_parameters
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of
from mmseg_bisenet_lite.utils.tables import numbered

# The models to compare by default: the paper's two networks and our small one.
DEFAULT_CONFIGS = ('r18_ce_vehicle', 'lite_hinge_vehicle', 'camvid/lite-s_hinge_vehicle')


@dataclass(frozen=True)
class Model:
    """A loaded segmentor: float32, on the CPU, without auxiliary heads.

    Attributes:
        name: Name in the tables, unique among the models.
        config: Config file, or name of the peer.
        checkpoint: Checkpoint file; ``None`` for initial weights.
        segmentor: The network.
        paper: ``'r18'`` or ``'lite'`` for the paper's two networks, else ``None``.
    """

    name: str
    config: str
    checkpoint: str | None
    segmentor: BaseSegmentor
    paper: str | None

    @property
    def parameters(self) -> int:
        """Number of parameters, without those of branches that inference does not need."""
        return sum(parameter.numel() for parameter in inference_parameters(self.segmentor))


def load_models(configs: Sequence[str], checkpoints: Sequence[str], peers: Sequence[str]) -> list[Model]:
    """Load the models of configs and of peers.

    Args:
        configs: Config files; empty for ``DEFAULT_CONFIGS``.
        checkpoints: Checkpoint file or ``'none'`` for each config; empty for initial weights.
        peers: Keys of :data:`mmseg_bisenet_lite.apis.peers.PEERS`.

    Raises:
        InputError: A file is missing, a config is not a segmentor's, a checkpoint does not fit its config, or there are not as
            many checkpoints as configs.
    """
    if not configs:
        folder = compat.mim_folder('mmseg_bisenet_lite') / 'configs'
        configs = [str(folder / f'{name}.py') for name in DEFAULT_CONFIGS]
    if checkpoints and len(checkpoints) != len(configs):
        raise InputError(
            f'--checkpoint: {len(checkpoints)} files for {len(configs)} configs; '
            "give one for each config, in the same order, or 'none' for initial weights"
        )
    models: list[Model] = []
    for file, checkpoint in zip(configs, checkpoints or ['none'] * len(configs), strict=True):
        models.append(_load(Path(file).stem, file, read_config(file), None if checkpoint == 'none' else checkpoint))
    models.extend(_load(peer, peer, peer_config(peer), None) for peer in peers)
    names = numbered([model.name for model in models])
    return [replace(model, name=name) for model, name in zip(models, names, strict=True)]


def _load(name: str, source: str, config: Config, checkpoint: str | None) -> Model:
    segmentor = load_segmentor(source, config, checkpoint)
    return Model(name, source, checkpoint, segmentor, _network_of_the_paper(config))


def _network_of_the_paper(config: Config) -> str | None:
    backbone = config.model.get('backbone') or {}
    context = backbone.get('backbone_cfg') or {}
    if class_of(MODELS, backbone.get('type')) in (BiSeNetLite, BiSeNetV1):
        kind = class_of(MODELS, context.get('type'))
        if kind is LiteVGG and 'widths' not in context:
            return 'lite'
        if kind is ResNet and context.get('depth') == 18:
            return 'r18'
    return None
