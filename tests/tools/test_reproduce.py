import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def reproduce(root, cwd, *arguments):
    command = [sys.executable, str(root / 'tools' / 'reproduce.py'), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope='module')
def small(toy):
    """Options of trainings that last seconds."""
    options = ['train_dataloader.dataset.pipeline.2.crop_size=(64,64)', 'model.data_preprocessor.size=(64,64)']
    options += ['train_dataloader.batch_size=2', 'default_hooks.visualization.draw=False']
    for split in ('train', 'val', 'test'):
        loader = f'{split}_dataloader'
        options += [f'{loader}.dataset.data_root={toy}', f'{loader}.num_workers=0', f'{loader}.persistent_workers=False']
    return options


def test_a_grid_is_trained_once_and_printed(root, small, tmp_path):
    command = ('--dataset', 'toy', '--grid', 'lite x hinge x vehicle', '--seeds', '2', '--iters', '4', '--out', 'grid')
    first = reproduce(root, tmp_path, *command, '--jobs', '2', '--cfg-options', *small)
    assert first.returncode == 0, first.stderr
    assert 'Written: results.md, results.json, curves.png in grid' in first.stdout
    results = json.loads((tmp_path / 'grid' / 'results.json').read_text())
    assert [result['run']['seed'] for result in results] == [0, 1]
    for result in results:
        assert [step for step, _ in result['curve']] == [1, 2, 3, 4]
        assert result['metrics'].keys() >= {'mIoU', 'fgIoU', 'AP', 'threshold'}
    assert 'toy: mIoU' in (tmp_path / 'grid' / 'results.md').read_text()
    files = sorted((tmp_path / 'grid' / 'lite_hinge_vehicle').glob('seed*/iter_4.pth'))
    when = [file.stat().st_mtime_ns for file in files]
    again = reproduce(root, tmp_path, *command, '--cfg-options', *small)
    assert again.stdout == first.stdout
    assert len(when) == 2
    assert [file.stat().st_mtime_ns for file in files] == when


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--grid', 'lite x hinge'), 'give networks, losses and targets'),
        (
            ('--grid', 'lite x ce x vehicle', '--dataset', 'toy'),
            'lite_ce_vehicle: --dataset toy has no such config; --grid may name lite_hinge_h',
        ),
        (('--grid', 'lite x hinge x human', '--out', '/dev/null/x'), "Not a directory: '/dev/null/x"),
        (
            ('--protocol', 'drives', '--dataset', 'toy', '--grid', 'lite x hinge x vehicle'),
            'toy has no drives; give --dataset camvid',
        ),
        (('--seeds', '0'), "'0' is not a whole number of at least 1"),
    ],
)
def test_wrong_input_is_one_line(refused, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused('reproduce.py', *arguments)
    assert not list(tmp_path.iterdir())


def test_a_failed_training_is_told(root, tmp_path):
    command = ('--dataset', 'toy', '--grid', 'lite x hinge x vehicle', '--seeds', '1', '--iters', '4', '--out', 'grid')
    done = reproduce(root, tmp_path, *command)
    assert done.returncode == 1
    assert 'lite_hinge_vehicle, seed 0, failed: ' in done.stdout
    assert 'there is no such folder' in done.stdout
