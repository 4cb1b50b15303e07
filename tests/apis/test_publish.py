import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_bisenet_lite.apis.publish import publish, with_main_head
from mmseg_bisenet_lite.apis.scores import scores_of
from mmseg_bisenet_lite.pretrained.weights import load_from_safetensors
from mmseg_bisenet_lite.utils.errors import InputError

HEADS = ('decode_head', 'auxiliary_head.0', 'auxiliary_head.1')


@pytest.fixture
def config(root, toy, tmp_path, monkeypatch):
    """A config of the project, with its data set where it looks for it."""
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'toy').symlink_to(toy)
    monkeypatch.chdir(tmp_path)
    return root / 'configs' / 'toy' / 'lite_hinge_vehicle.py'


def tensors(file):
    """The bytes after the header of a safetensors file; the header's length is in its first eight bytes."""
    content = file.read_bytes()
    return content[8 + int.from_bytes(content[:8], 'little') :]


@pytest.mark.slow
def test_weights_are_measured_as_they_are_shipped(config, small_checkpoint, tmp_path):
    file = tmp_path / 'small.safetensors'
    original = torch.load(small_checkpoint, weights_only=True)
    original['meta']['margin_folded'] = -1.5
    checkpoint = tmp_path / 'folded.pth'
    torch.save(original, checkpoint)
    metrics = publish(str(config), str(checkpoint), file, tmp_path / 'work')
    found = load_from_safetensors(str(file))
    assert found['meta']['margin_folded'] == -1.5
    assert found['meta']['config_name'] == 'toy/lite_hinge_vehicle.py'
    assert found['meta']['dataset_meta']['classes'] == ['background', 'vehicle']
    assert found['meta']['metrics'] == metrics
    assert found['meta']['margin_threshold'] == metrics['threshold'] != 0
    assert len(found['meta']['margin_operating_points']['recall']) > 20
    bare = {key: value for key, value in original['state_dict'].items() if not key.startswith('auxiliary_head')}
    assert found['state_dict'].keys() == bare.keys() != original['state_dict'].keys()
    assert file.stat().st_size < 0.55 * small_checkpoint.stat().st_size
    assert [each.name for each in tmp_path.glob('*.safetensors')] == ['small.safetensors']

    settings = Config.fromfile(config)
    settings.default_hooks.threshold.use = 'best'
    best = scores_of(settings, str(file), tmp_path / 'best')
    assert best['F1'] == pytest.approx(metrics['bestF1'], abs=0.02)  # the margins are rounded anew
    assert best['threshold'] == pytest.approx(0, abs=0.011)
    assert best['AP'] == pytest.approx(metrics['AP'], abs=0.5)

    # Published again, the weights stay the same to the byte, and the test finds the same.
    again = tmp_path / 'again.safetensors'
    publish(str(config), str(file), again, tmp_path / 'work')
    assert tensors(again) == tensors(file)
    assert load_from_safetensors(str(again))['meta'] == found['meta']


def test_a_head_and_the_main_head_change_places():
    weights = {f'{head}.conv_seg.bias': torch.full((2,), number) for number, head in enumerate(HEADS)}
    swapped = with_main_head(weights | {'backbone.weight': torch.ones(1)}, 'auxiliary_head.1', 'a.pth')
    assert {key: int(value[0]) for key, value in swapped.items()} == {
        'decode_head.conv_seg.bias': 2,
        'auxiliary_head.0.conv_seg.bias': 1,
        'auxiliary_head.1.conv_seg.bias': 0,
        'backbone.weight': 1,
    }
    for head in ('auxiliary_head.2', 'auxiliary_head', 'backbone'):
        with pytest.raises(InputError, match=rf'--head {head}: a\.pth has no such head; choose from decode_head, auxiliary_'):
            with_main_head(weights, head, 'a.pth')


def test_wrong_input_is_named(config, small_checkpoint, small_config, tmp_path):
    r18 = config.parents[1] / 'camvid' / 'r18_hinge_vehicle.py'
    for arguments, message in (
        (
            (str(config), str(small_checkpoint), tmp_path / 'a.pth'),
            r'a\.pth: the name of the output file must end in \.safetensors',
        ),
        ((str(config), 'absent.pth', tmp_path / 'a.safetensors'), r'absent\.pth: there is no such checkpoint'),
        (
            (str(config), 'bisenet-lite://lite-shared_hinge_human_camvid', tmp_path / 'a.safetensors'),
            'its classes are background, human, but',
        ),
        (
            (str(r18), str(small_checkpoint), tmp_path / 'a.safetensors'),
            rf'{small_checkpoint.name}: its weights are not those of',
        ),
        ((str(small_config), str(small_checkpoint), tmp_path / 'a.safetensors'), 'give one of the configs in '),
    ):
        with pytest.raises(InputError, match=message):
            publish(*arguments, tmp_path / 'work')
    state_dict = torch.load(small_checkpoint, weights_only=True)['state_dict']
    for content in (state_dict, {'state_dict': state_dict}, {'state_dict': state_dict, 'meta': {'dataset_meta': {}}}):
        torch.save(content, tmp_path / 'bare.pth')
        with pytest.raises(InputError, match=r'bare\.pth: names no classes'):
            publish(str(config), str(tmp_path / 'bare.pth'), tmp_path / 'a.safetensors', tmp_path / 'work')
    assert not list(tmp_path.glob('*.safetensors'))


@pytest.mark.slow
def test_an_auxiliary_head_is_shipped_as_the_main_one(root, drives, tmp_path, monkeypatch):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'camvid').symlink_to(drives)
    monkeypatch.chdir(tmp_path)
    configs = {target: root / 'configs' / 'camvid' / f'lite-shared_hinge_{target}.py' for target in ('human', 'vehicle')}
    torch.manual_seed(0)
    weights = MODELS.build(Config.fromfile(configs['human']).model).state_dict()
    for place, head in enumerate(('decode_head', 'auxiliary_head.0')):
        weights[f'{head}.conv_seg.bias'].copy_(torch.tensor([place / 8, 0.0]))
    meta = dict(dataset_meta=dict(classes=('background', 'human'), palette=[[0, 0, 0], [220, 20, 60]]))
    meta |= dict(margin_folded=-1.0, margin_folded_heads={'auxiliary_head.0': -2.0})
    torch.save(dict(state_dict=weights, meta=meta), tmp_path / 'both.pth')

    ship = dict(config=str(configs['vehicle']), work_dir=tmp_path / 'work')
    scores = publish(checkpoint='both.pth', file=tmp_path / 'a.safetensors', head='auxiliary_head.0', **ship)
    shipped = load_from_safetensors(str(tmp_path / 'a.safetensors'))
    assert {key.partition('.')[0] for key in shipped['state_dict']} == {'backbone', 'decode_head'}
    for key, value in shipped['state_dict'].items():
        source = weights[key.replace('decode_head', 'auxiliary_head.0')]
        assert torch.equal(value, source.half().float() if source.is_floating_point() else source)
    found = shipped['meta']
    assert found['metrics'] == scores
    assert found['margin_folded'] == -2
    assert found['dataset_meta']['classes'] == ['background', 'vehicle']
    with pytest.raises(InputError, match='finds; leave --head out, or give the config of another target'):
        publish(str(configs['human']), 'both.pth', tmp_path / 'c.safetensors', tmp_path / 'work', 'auxiliary_head.0')
    with pytest.raises(InputError, match='or with --head the head that finds them'):
        publish(checkpoint='both.pth', file=tmp_path / 'c.safetensors', **ship)
