import json
import re
import subprocess
import sys

import pytest

OPTIONS = ('test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False')


@pytest.mark.slow
def test_it_prints_and_writes_the_table(root, small_config, small_checkpoint, tmp_path):
    arguments = (
        small_config,
        small_checkpoint,
        '--kinds',
        'jpeg',
        '--threshold',
        '0.5',
        '--out',
        'found',
        '--cfg-options',
        *OPTIONS,
    )
    command = [sys.executable, root / 'tools' / 'test_corruptions.py', *arguments]
    done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert 'Written: results.md, results.json in found' in done.stdout
    assert 'jpeg, quality 7' in done.stdout
    warned = [line for line in done.stderr.splitlines() if 'UserWarning' in line]
    assert not [line for line in warned if 'MultiScaleDeformableAttention' not in line]  # onedl's, of mmcv-lite, on import
    assert re.search(r'^\| +jpeg, quality 20 +\|', (tmp_path / 'found' / 'results.md').read_text(), re.MULTILINE)
    written = json.loads((tmp_path / 'found' / 'results.json').read_text())
    assert (written['threshold'], written['seed'], written['checkpoint']) == ('0.5', 0, str(small_checkpoint))
    assert written['made_with'].keys() == {'mmseg-bisenet-lite', 'torch', 'device', 'commit', 'opencv'}  # JPEG needs no Kornia
    assert [each['strength'] for each in written['results']] == [None, 20, 7]
    assert written['results'][0]['metrics'].keys() >= {'fgIoU', 'AP', 'precision', 'recall'}


def test_wrong_input_is_one_line(refused, small_config):
    assert "'fog' is unknown; choose from dark, bright" in refused(
        'test_corruptions.py', small_config, 'a.pth', '--kinds', 'fog'
    )
    assert 'a.pth: there is no such checkpoint' in refused('test_corruptions.py', small_config, 'a.pth')
    assert 'there are no such weights' in refused('test_corruptions.py', small_config, 'bisenet-lite://a')
