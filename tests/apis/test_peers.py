import pytest
import torch

from mmseg_bisenet_lite.apis.peers import PEERS, peer_config
from mmseg_bisenet_lite.utils.errors import InputError

# Millions of parameters that a forward pass of the published network has with 19 classes, and two classes have few less.
# Sources: the papers of BiSeNetV2 (3.4 with its seg head), STDC (8.4 and 12.5), DDRNet (5.7), PIDNet (7.6), CGNet (0.5) and
# ERFNet (2.1). As MMSegmentation builds them, and not the papers: BiSeNet with ResNet-18, ICNet with ResNet-18, whose pyramid
# head is PSPNet's, and Fast-SCNN, whose 1.1 become 1.4 with its separable head.
PARAMETERS = {
    'bisenetv1-r18': 13.3,
    'bisenetv2': 3.4,
    'stdc1': 8.4,
    'stdc2': 12.5,
    'fastscnn': 1.4,
    'ddrnet23-slim': 5.7,
    'pidnet-s': 7.6,
    'icnet': 24.9,
    'cgnet': 0.5,
    'erfnet': 2.1,
}


@pytest.mark.parametrize('name', PEERS)
def test_peers_are_for_two_classes(root, name):
    from mmseg_bisenet_lite.benchmark.inference.models import load_models
    from mmseg_bisenet_lite.benchmark.inference.scopes import Forward

    (model,) = load_models([str(root / 'configs' / 'lite_ce_human.py')], [], [name])[1:]
    with torch.no_grad():
        scores = Forward(model.segmentor)(torch.randn(1, 3, 96, 160))  # some need multiples of 8
    assert scores.shape == (1, 2, 96, 160)
    assert scores.isfinite().all()
    assert model.parameters / 1e6 == pytest.approx(PARAMETERS[name], rel=0.05)


@pytest.mark.parametrize('name', PEERS)
def test_nothing_is_left_of_other_classes_or_of_downloads(name):
    def walk(part, path=''):
        if isinstance(part, dict):
            for key, value in part.items():
                yield from walk(value, f'{path}.{key}')
        elif isinstance(part, list | tuple):
            for index, value in enumerate(part):
                yield from walk(value, f'{path}.{index}')
        else:
            yield path.rsplit('.', 1)[-1], part

    leaves = list(walk(peer_config(name).model.to_dict()))
    assert {value for key, value in leaves if key == 'num_classes'} == {2}
    assert not [value for key, value in leaves if key in ('checkpoint', 'class_weight')]
    assert not [value for key, value in leaves if key == 'pretrained' and value]


def test_an_unknown_peer_is_named():
    with pytest.raises(InputError, match="'unet' is not a peer; choose from bisenetv1-r18"):
        peer_config('unet')
