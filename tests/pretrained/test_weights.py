import json
import resource
import signal

import pytest
import torch
import yaml
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file

from mmseg_bisenet_lite.models.decision import DecisionRecord, chosen_threshold
from mmseg_bisenet_lite.pretrained import SCHEME, names
from mmseg_bisenet_lite.pretrained.names import checkpoint_file
from mmseg_bisenet_lite.pretrained.weights import load_from_safetensors, save_weights
from mmseg_bisenet_lite.utils.errors import InputError

META = {'config_name': 'camvid/lite_hinge_vehicle.py', 'margin_threshold': 0.25}


@pytest.fixture
def weights():
    return {'conv.weight': torch.randn(4, 3, 3, 3), 'bn.num_batches_tracked': torch.tensor(2**40)}


def test_weights_come_back_in_single_precision(weights, tmp_path):
    save_weights(tmp_path / 'a.safetensors', weights, META)
    assert (tmp_path / 'a.safetensors').stat().st_size < 4 * 3 * 9 * 2 + 1000
    found = CheckpointLoader.load_checkpoint(str(tmp_path / 'a.safetensors'), map_location='cpu')  # MMEngine's
    assert found['meta'] == META
    assert {key: value.dtype for key, value in found['state_dict'].items()} == {
        key: value.dtype for key, value in weights.items()
    }
    assert torch.equal(found['state_dict']['conv.weight'], weights['conv.weight'].half().float())
    assert torch.equal(found['state_dict']['bn.num_batches_tracked'], weights['bn.num_batches_tracked'])


def test_those_of_the_package_have_names():
    assert names()
    for name in names():
        found = CheckpointLoader.load_checkpoint(f'{SCHEME}{name}')
        assert found['meta']['dataset_meta']['classes'][0] == 'background'
        assert abs(found['meta']['margin_threshold']) < 10
        assert checkpoint_file(f'{SCHEME}{name}').stat().st_size < 8e6


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(
        InputError, match=rf'{SCHEME}unknown: there are no such weights in the package; choose from .*{names()[0]}'
    ):
        load_from_safetensors(f'{SCHEME}unknown')
    with pytest.raises(InputError, match='there are no such weights in the package; choose from'):
        load_from_safetensors(f'{SCHEME}../pretrained/{names()[0]}')
    with pytest.raises(InputError, match=r'absent\.safetensors: there is no such checkpoint'):
        load_from_safetensors(str(tmp_path / 'absent.safetensors'))


def test_files_of_others_are_weights_without_meta(weights, tmp_path):
    save_file(weights, tmp_path / 'a.safetensors')
    found = load_from_safetensors(str(tmp_path / 'a.safetensors'))
    assert found['meta'] == {}
    assert torch.equal(found['state_dict']['conv.weight'], weights['conv.weight'])


def test_damaged_files_are_refused(weights, tmp_path):
    file = tmp_path / 'a.safetensors'
    for content in (b'', b'nonsense' * 100):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r'a\.safetensors: not a safetensors file, or a damaged one'):
            load_from_safetensors(str(file))
    save_file(weights, file, {'mmseg_bisenet_lite': json.dumps(META)[:-3]})
    with pytest.raises(InputError, match='not a safetensors file, or a damaged one'):
        load_from_safetensors(str(file))


def test_numbers_that_half_precision_cannot_hold_are_refused(tmp_path):
    for value in (1e5, float('inf'), float('nan')):
        with pytest.raises(InputError, match='the weight a is NaN, infinite or too large'):
            save_weights(tmp_path / 'a.safetensors', {'a': torch.tensor([1.0, value])}, META)
    assert not list(tmp_path.iterdir())


def test_the_metafile_tells_what_the_weights_scored(root):
    models = {model['Name']: model for model in yaml.safe_load((root / 'configs' / 'metafile.yml').read_text())['Models']}
    for name in names():
        model, meta = models[name], load_from_safetensors(f'{SCHEME}{name}')['meta']
        assert model['Config'] == f'configs/{meta["config_name"]}'
        assert model['Weights'] == f'{SCHEME}{name}'
        scores = {'mIoU': 'mIoU', 'IoU': 'fgIoU', 'F1': 'F1'}
        assert model['Results']['Metrics'] == {ours: meta['metrics'][theirs] for ours, theirs in scores.items()}
        card = (root / 'mmseg_bisenet_lite' / 'pretrained' / 'MODEL_CARD.md').read_text()
        assert f'| `{name}` | {meta["metrics"]["mIoU"]:.2f} |' in card


def test_the_card_tells_the_calibration_and_the_thresholds(root):
    card = (root / 'mmseg_bisenet_lite' / 'pretrained' / 'MODEL_CARD.md').read_text()
    rows = {line.split('|')[1].strip(' `'): line for line in card.splitlines() if line.startswith('| `')}
    for name in names():
        meta = load_from_safetensors(f'{SCHEME}{name}')['meta']
        found = DecisionRecord.of({'meta': meta}, name)
        fit, scores = found.calibration, meta['metrics']
        numbers = (f'{fit.temperature:.3f}', f'{fit.bias:.3f}', f'{scores["rawECE"]:.2f} %', f'{scores["ECE"]:.2f} %')
        assert f'| `{name}` | {" | ".join(numbers)} |' in card
    for name, column in (('lite-shared_hinge_vehicle_camvid', 2), ('lite-shared_hinge_human_camvid', 4)):
        meta = load_from_safetensors(f'{SCHEME}{name}')['meta']
        for wanted in ('recall=0.9', 'recall=0.95', 'recall=0.99', 'precision=0.9'):
            cells = rows[wanted].split('|')
            assert float(cells[column]) == chosen_threshold(wanted, {'meta': meta}, name)
            kind, _, share = wanted.partition('=')
            told = float(cells[column + 1].split(',')[kind == 'recall'])  # precision, recall
            assert told == pytest.approx(100 * float(share), abs=0.1)


def test_mmengine_says_the_same():
    with pytest.raises(InputError, match=f'^{SCHEME}unknown: there are no such weights in the package; choose from'):
        CheckpointLoader.load_checkpoint(f'{SCHEME}unknown')


def test_a_full_disk_is_named(weights, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=r'File too large.*a\.safetensors'):
            save_weights(tmp_path / 'a.safetensors', weights, META)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not list(tmp_path.iterdir())
