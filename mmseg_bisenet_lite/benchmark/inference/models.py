"""The models that are compared, from configs, checkpoints and peers' names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config
from mmseg.models import BaseSegmentor

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.peers import peer_config
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.tables import numbered

# What is compared when nothing is named: the paper's two networks.
DEFAULT_CONFIGS = ('r18_ce_vehicle', 'lite_hinge_vehicle')


@dataclass(frozen=True)
class Model:
    """A segmentor as it is after loading: float32, on the host, without the heads that only training needs.

    Attributes:
        name: What the tables call it, unique among the models.
        config: The config's file, or the peer's name.
        checkpoint: The file of its weights; ``None`` is the initial ones.
        segmentor: The network.
        paper: Which of the paper's two networks it is, ``'r18'`` or ``'lite'``, if any.
    """

    name: str
    config: str
    checkpoint: str | None
    segmentor: BaseSegmentor
    paper: str | None

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(parameter.numel() for parameter in self.segmentor.parameters())


def load_models(configs: Sequence[str], checkpoints: Sequence[str], peers: Sequence[str]) -> list[Model]:
    """The models of configs and of peers.

    Args:
        configs: Files. None means the paper's two, of this package.
        checkpoints: Files of weights, one for each config, ``'none'`` for the initial ones; or none at all.
        peers: Keys of :data:`mmseg_bisenet_lite.peers.PEERS`.

    Raises:
        InputError: A file is missing or is no segmentor's config, a checkpoint does not fit, or the numbers differ.
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
    if backbone.get('type') in ('BiSeNetLite', 'BiSeNetV1'):
        if context.get('type') == 'LiteVGG' and 'widths' not in context:
            return 'lite'
        if context.get('type') == 'ResNet' and context.get('depth') == 18:
            return 'r18'
    return None
