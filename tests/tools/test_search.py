import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def candidates(root, drives, tmp_path_factory):
    """Two networks whose trainings last seconds."""
    folder = tmp_path_factory.mktemp('candidates')
    for name in ('lite-n', 'fastscnn-shared'):
        lines = [f'_base_ = {str(root / "configs" / "camvid" / f"{name}_hinge_vehicle.py")!r}']
        lines += [
            'param_scheduler = [dict(type="PolyLR", end=12000, by_epoch=False)]',
            'default_hooks = dict(visualization=None)',
        ]
        lines += ['model = dict(data_preprocessor=dict(size=(32, 32)))']
        loader = f'num_workers=0, persistent_workers=False, dataset=dict(data_root={str(drives)!r})'
        lines += [f'{split}_dataloader = dict({loader})' for split in ('train', 'val', 'test')]
        (folder / f'{name}.py').write_text('\n'.join(lines))
    return folder


def search(root, folder, out, *arguments):
    tool = [sys.executable, str(root / 'tools' / 'search.py'), *arguments, '--out', str(out)]
    small = ['--cfg-options', 'train_dataloader.batch_size=2', 'train_dataloader.dataset.pipeline.2.crop_size=(32,32)']
    quick = ['--size', '64x32', '--seconds', '1', '--engine', 'openvino', *small]
    return subprocess.run([*tool, *quick], cwd=folder, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope='module')
def searched(root, candidates, tmp_path_factory):
    """A finished search of one candidate, and its folder. Read only."""
    out = tmp_path_factory.mktemp('searched')
    done = search(root, candidates, out, 'lite-n.py', '--seeds', '1', '--iters', '3')
    assert done.returncode == 0, done.stderr[-3000:]
    return done, out


@pytest.fixture
def earlier(searched, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(searched[1], tmp_path / 'out')


def made(out):
    return {name: (out / name).stat().st_mtime_ns for name in ('speed.json', 'lite-n/seed0/iter_3.pth')}


def test_a_candidate_is_trained_tested_and_timed(searched):
    done, out = searched
    assert f'Written: results.md, results.json, speed.json, front.png in {out}' in done.stdout
    assert 'per class results' not in done.stdout
    (result,) = json.loads((out / 'results.json').read_text())
    assert {target: set(of_target) for target, of_target in result['scores'].items()} == {
        target: {'0001TP', '0006R0'} for target in ('vehicle', 'human')
    }


def test_what_is_there_is_not_done_again(root, candidates, searched, earlier):
    before = made(earlier)
    again = search(root, candidates, earlier, 'lite-n.py', '--seeds', '1', '--iters', '3')
    tables = searched[0].stdout[searched[0].stdout.index('Speed and accuracy') :]
    assert again.stdout.endswith(tables.replace(str(searched[1]), str(earlier)))
    assert made(earlier) == before


@pytest.mark.parametrize(('models', 'seeds'), [(['lite-n'], 2), (['lite-n', 'fastscnn-shared'], 1)])
def test_a_larger_search_trains_only_what_is_new(root, candidates, earlier, models, seeds):
    before = made(earlier)
    done = search(root, candidates, earlier, *(f'{name}.py' for name in models), '--seeds', str(seeds), '--iters', '3')
    assert done.returncode == 0, done.stderr[-3000:]
    assert made(earlier)['lite-n/seed0/iter_3.pth'] == before['lite-n/seed0/iter_3.pth']
    assert len(json.loads((earlier / 'results.json').read_text())) == 2
    assert {row['model'] for row in json.loads((earlier / 'speed.json').read_text())['rows']} == {*models}


def test_a_training_of_another_config_is_not_taken_for_this(root, candidates, earlier):
    other = search(root, candidates, earlier, 'lite-n.py', '--seeds', '1', '--iters', '2')
    assert other.returncode == 1
    assert 'seed0: was trained with another config or another --iters' in other.stderr


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('missing.py',), 'missing.py: there is no such'),
        (('lite-n.py', '--precision', 'int8'), '--precision int8: give fp32 too, with which int8 is compared'),
        (
            ('lite-n.py', '--engine', 'onnxruntime', '--precision', 'bf16'),
            '--engine onnxruntime: runs only with --precision fp32; add it',
        ),
        (('lite-n.py', '--threads', '4096'), '--threads 4096: give 1 to'),
        (('lite-n.py', '--out', '/dev/null/x'), "Not a directory: '/dev/null/x"),
        (('lite-n.py', '--size', '0x0'), '0x0'),
        (('lite-n.py', '--seeds', '0'), "'0' is not a whole number of at least 1"),
    ],
)
def test_wrong_input_is_one_line(refused, candidates, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused('search.py', *(candidates / each if each == 'lite-n.py' else each for each in arguments))
    assert not list(tmp_path.iterdir())


def test_a_failed_training_is_told(root, candidates, tmp_path):
    done = search(
        root, candidates, tmp_path, 'lite-n.py', '--seeds', '1', '--iters', '3', '--cfg-options', 'load_from=none.pth'
    )
    assert done.returncode == 1
    assert 'lite-n, seed 0, failed: ' in done.stdout
    assert 'none.pth' in done.stdout
    assert 'Written: results.md, results.json in' in done.stdout
