"""tools/benchmark.py as the user runs it."""

import json
import os
import runpy
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FAST = ('--sizes', '64x64', '96x64', '64x64', '--seconds', '0', '--device', 'cpu')


def run(root, *arguments, cwd):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, str(root / 'tools' / 'benchmark.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, env=environment)


@pytest.fixture(scope='module')
def finished(root, tmp_path_factory):
    """A run of the paper's networks, started outside the checkout, with all its files."""
    folder = tmp_path_factory.mktemp('benchmark')
    files = ('--json', 'run.json', '--markdown', 'run.md', '--plot', 'run.png')
    arguments = (*FAST, '--scope', 'forward,frame', '--fuse', '--accuracy', 'lite_hinge_vehicle=83.5', *files)
    done = run(root, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_compares_the_papers_networks(finished):
    folder, output = finished
    assert "the paper's table, fp32: FPS of r18_ce_vehicle and lite_hinge_vehicle" in output
    assert 'Jetson TX2' in output
    assert {path.name for path in folder.iterdir()} == {'run.json', 'run.md', 'run.png', 'run_accuracy.png'}
    content = json.loads((folder / 'run.json').read_text())
    assert [(row['model'], row['size'], row['scope']) for row in content['rows']] == [
        (model, size, scope)
        for size in ([64, 64], [96, 64])
        for scope in ('forward', 'frame')
        for model in ('r18_ce_vehicle', 'lite_hinge_vehicle', 'lite-s_hinge_vehicle')
    ]
    assert all(len(row['rounds']) >= 6 and min(map(min, row['rounds'])) > 0 for row in content['rows'])
    assert all(row['changed'] < 0.001 for row in content['rows'])
    assert content['settings']['fuse'] is True
    assert 'batch 1, fuse, commit' in output
    assert content['environment']['torch']
    assert content['environment']['threads'] >= 1
    # More arithmetic than the machine can do would mean that one of the two is counted wrong.
    assert all(
        0 < row['summary']['macs'] * 2 * row['summary']['fps'] < content['ceilings']['flops']['fp32'] for row in content['rows']
    )


def test_earlier_runs_are_compared(finished, root, tmp_path):
    folder, output = finished
    (tmp_path / 'other.json').write_text((folder / 'run.json').read_text())
    done = run(root, '--from-json', folder / 'run.json', tmp_path / 'other.json', '--plot', 'both.svg', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'FPS of the runs' in done.stdout
    assert 'run: speed, forward' in done.stdout
    again = run(root, '--from-json', folder / 'run.json', cwd=tmp_path)
    # The same tables as when it was measured.
    assert again.stdout.splitlines()[:20] == output.splitlines()[:20]
    assert {path.name for path in tmp_path.iterdir()} == {'other.json', 'both.svg', 'both_accuracy.svg'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['absent.py'], 'absent.py: there is no such config'),
        (['--sizes', '64'], "'64' is not a size such as 640x360"),
        (['--sizes', '0x64'], "'0x64' is not a size"),
        (
            ['--engine', 'caffe'],
            "'caffe' is unknown; choose from eager, channels-last, compile, compile-channels-last, onnxruntime, openvino, "
            'inference-model',
        ),
        (['--engine', 'inference-model'], '--engine inference-model: runs only with --scope frame; add it'),
        (['--exported', 'a.onnx'], '--exported: exported files run only with --scope frame'),
        (['--exported', 'absent.onnx', '--scope', 'frame'], 'absent.onnx: there is no such file'),
        (['--scope', 'forward,backward'], "'backward' is unknown; choose from forward, predict, frame"),
        (['--precision', 'fp8'], "'fp8' is unknown; choose from fp32, tf32, bf16, fp16"),
        (['--precision', 'tf32', '--device', 'cpu'], '--precision tf32: '),
        (['--cuda-graph', '--device', 'cpu'], '--cuda-graph: cpu has no CUDA graphs'),
        (['--engine', 'onnxruntime'], '--engine onnxruntime: runs only with --scope frame; add it'),
        (
            ['--engine', 'eager,openvino', '--scope', 'frame', '--precision', 'fp16'],
            '--engine openvino: runs only with --precision fp32 or bf16; add it',
        ),
        (
            ['--fuse', '--engine', 'openvino', '--scope', 'frame'],
            '--fuse: runtimes always fold batch norms; leave this option out',
        ),
        (['--device', 'npu:3'], '--device npu:3: there is no such device'),
        (['--threads', '100000'], '--threads 100000: give 1 to'),
        (['--batch', '0'], '--batch 0: give 1 image or more'),
        (['--peers', 'unet'], "'unet' is unknown; choose from bisenetv1-r18, bisenetv2, stdc1"),
        (['--checkpoint', 'absent.pth', 'none', 'none'], 'absent.pth: there is no such checkpoint'),
        (['--checkpoint', 'none'], '--checkpoint: 1 files for 3 configs'),
        (['--json', 'absent/run.json'], 'absent/run.json: the folder absent does not exist; create it first'),
        (['--json', '.'], 'cannot be written'),
        (['--plot', 'run.docx'], '--plot run.docx: give a file name that ends in one of'),
        (['--metric', 'AP'], '--metric names what --accuracy gives: add it'),
        (['--accuracy', 'lite=high'], "'lite=high' is not NAME=NUMBER"),
        (['--accuracy', 'lite=80'], '--accuracy lite=80.0: there is no such model'),
        (['--from-json', 'absent.json'], 'absent.json: cannot be read: No such file'),
        (['--from-json', 'absent.json', '--peers'], '--from-json times nothing: drop peers'),
        (
            ['--from-json', 'absent.json', '--scope', 'frame', '--cuda-graph'],
            '--from-json times nothing: drop cuda-graph, scope',
        ),
        (['--seconds', 'nan'], "'nan' is not a number of at least 0"),
        (['--half-width', '-1'], "'-1' is not a number of at least 0"),
        (['--peers', 'ddrnet23-slim', '--sizes', '100x50'], 'ddrnet23-slim cannot take images of 100x50'),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_timed(refused, tmp_path, monkeypatch, arguments, message):
    from mmseg_bisenet_lite.benchmark.inference import runner

    def timed(*_):
        raise AssertionError('something was timed')

    monkeypatch.setattr(runner, 'measure', timed)
    monkeypatch.chdir(tmp_path)
    keep = [] if '--from-json' in arguments else ['--no-keep-memory']
    assert message in refused('benchmark.py', *keep, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_shows_and_keeps_what_it_has(root, tmp_path, monkeypatch, capsys):
    from mmseg_bisenet_lite.benchmark.inference import runner

    measure = runner.run

    def interrupted_after_one_size(*arguments):
        yield next(measure(*arguments))
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, 'run', interrupted_after_one_size)
    monkeypatch.setattr(sys, 'argv', ['benchmark.py', '--no-keep-memory', *FAST, '--json', 'a.json'])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(root / 'tools' / 'benchmark.py'), run_name='__main__')
    assert exit_.value.code == 130
    output, errors = capsys.readouterr()
    assert '64x64' in output
    assert '96x64' not in output
    assert 'interrupted; the results leave out the unfinished size' in errors
    assert {tuple(row['size']) for row in json.loads((tmp_path / 'a.json').read_text())['rows']} == {(64, 64)}
