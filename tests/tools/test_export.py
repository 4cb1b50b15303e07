"""tools/export.py as the user runs it, and tools/test.py on what it wrote."""

import json
import logging
import os
import runpy
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.export.parity import Parity

pytestmark = pytest.mark.slow


def run(root, tool, *arguments, cwd):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, str(root / 'tools' / tool), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, env=environment)


@pytest.fixture(scope='module')
def finished(root, small_config, small_checkpoint, tmp_path_factory):
    """Two formats in single precision, of which one cannot be had in int8."""
    folder = tmp_path_factory.mktemp('export')
    what = ('--format', 'onnx,openvino', '--precision', 'fp32', '--size', '128x64', '--margin')
    done = run(root, 'export.py', small_config, small_checkpoint, *what, '--out', 'deploy', cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / 'deploy', done.stdout


def test_each_file_has_its_report(finished):
    folder, output = finished
    names = ['small-128x64-fp32.onnx', 'small-128x64-fp32.xml']
    assert {path.name for path in folder.iterdir()} == {
        f'{name}{ending}' for name in names for ending in ('', '.report.md', '.report.json', '.worst.png')
    } | {'small-128x64-fp32.bin'}
    for name in names:
        record = json.loads((folder / f'{name}.report.json').read_text())
        assert record['parity']['frames'] == 2
        assert record['parity']['ground_truth']
        assert record['parity']['agreement'] >= 99.9
        assert record['failure'] is None
        assert record['source'] == 'val set, CityscapesVehicleDataset'
        assert record['metadata']['classes'] == ['background', 'vehicle']
        assert len(record['metadata']['weights_sha256']) == 64
        assert cv2.imread(str(folder / f'{name}.worst.png')).shape[2] == 3
        assert f'| {name} | ' in ' '.join((folder / f'{name}.report.md').read_text().split())
        assert name in output
    assert output.count('passed') == 2


def test_the_file_on_the_data_set_is_as_good_as_its_report_says(finished, root, small_config, small_checkpoint, tmp_path):
    folder, _ = finished
    file = folder / 'small-128x64-fp32.onnx'
    quiet = ('--work-dir', 'work', '--cfg-options', 'test_dataloader.num_workers=1')
    tested = run(root, 'test.py', small_config, file, *quiet, cwd=tmp_path)
    assert tested.returncode == 0, tested.stderr
    checkpoint = run(root, 'test.py', small_config, small_checkpoint, *quiet, cwd=tmp_path)
    assert checkpoint.returncode == 0, checkpoint.stderr
    parity = json.loads(file.with_name(f'{file.name}.report.json').read_text())['parity']
    found, original = (float(output.stdout.rsplit('mIoU: ', 1)[1].split()[0]) for output in (tested, checkpoint))
    assert found == pytest.approx(parity['exported']['miou'], abs=0.006)
    assert original == pytest.approx(parity['mmsegmentation']['miou'], abs=0.006)


def test_it_runs_on_images_from_the_command_line(finished, toy, tmp_path):
    file = finished[0] / 'small-128x64-fp32.onnx'
    images = sorted((toy / 'leftImg8bit' / 'train').iterdir())[0]
    program = [sys.executable, '-m', 'mmseg_bisenet_lite.deploy', str(file), str(images)]
    command = [*program, '--out', 'out', '--save', 'mask', '--limit', '3']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert 'onnxruntime, fp32; classes: background, vehicle' in done.stdout
    assert '3 calls, median' in done.stdout
    written = sorted((tmp_path / 'out').rglob('*.png'))
    assert len(written) == 3
    frame = cv2.imread(str(min(images.iterdir())))
    mask = cv2.imread(str(written[0]), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, 255 * Segmenter(file)(frame))
    assert mask.any()


def call(root, tool, arguments, monkeypatch, capsys):
    """The tool in this process: its exit code, and the last line of what it says."""
    # A logger of an earlier test may still write to what that test captured, and logging would print that it cannot.
    monkeypatch.setattr(logging, 'raiseExceptions', False)
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(root / 'tools' / tool), run_name='__main__')
    output, errors = capsys.readouterr()
    said = exit_.value.code if isinstance(exit_.value.code, str) else errors
    assert 'Traceback' not in said
    return exit_.value.code, output + said


def test_a_file_that_fails_the_gate_is_not_left(root, small_config, small_checkpoint, tmp_path, monkeypatch, capsys):
    earlier = tmp_path / 'small-128x64-fp32.onnx'
    earlier.write_bytes(b'earlier')
    (tmp_path / 'small-128x64-fp32.xml').write_bytes(b'earlier')
    (tmp_path / 'small-128x64-fp32.bin').write_bytes(b'earlier')
    monkeypatch.setattr(Parity, 'failure', property(lambda self: '12 points of mIoU are lost' if self.frames else None))
    arguments = (small_config, small_checkpoint, '--size', '128x64', '--format', 'onnx,openvino', '--out', tmp_path)
    code, output = call(root, 'export.py', arguments, monkeypatch, capsys)
    assert code == 1
    assert 'FAILED' in output
    assert 'small-128x64-fp32.xml: 12 points of mIoU are lost' in output
    names = {path.name for path in tmp_path.iterdir()}
    assert not any(name.endswith(('.onnx', '.xml', '.bin')) or name.startswith('.') for name in names)
    # Nothing that somebody had is lost.
    assert (tmp_path / 'small-128x64-fp32.onnx.previous').read_bytes() == b'earlier'
    assert {'small-128x64-fp32.xml.previous', 'small-128x64-fp32.bin.previous'} < names
    record = json.loads((tmp_path / 'small-128x64-fp32.onnx.report.json').read_text())
    assert record['failure'] == '12 points of mIoU are lost'
    assert 'small-128x64-fp32.onnx.worst.png' in names


def test_random_scores_fail_in_low_precision(root, small_config, small_checkpoint, tmp_path, monkeypatch, capsys):
    """Not by a stand-in: of renders, without ground truth, this network's masks differ in more pixels than int8 may."""
    arguments = (small_config, small_checkpoint, '--size', '128x64', '--precision', 'int8,fp32', '--frames', 'renders')
    from mmseg_bisenet_lite.export import quantise

    monkeypatch.setattr(quantise, 'MOST_LOST', 100)  # no layer is spared
    monkeypatch.setattr(quantise, 'MOST_MOVED', 100)
    code, output = call(root, 'export.py', [*arguments, '--limit', 4, '--out', tmp_path / 'new'], monkeypatch, capsys)
    assert code == 1
    assert 'small-128x64-int8.onnx: ' in output
    assert 'points of mIoU lost, at most 0.5 allowed' in output
    # What passes is there all the same.
    names = {path.name for path in (tmp_path / 'new').iterdir()}
    assert 'small-128x64-fp32.onnx' in names
    assert 'small-128x64-int8.onnx' not in names


def test_an_interrupted_export_leaves_nothing(root, small_config, small_checkpoint, tmp_path, monkeypatch, capsys):
    from mmseg_bisenet_lite.export import runner

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, 'compare', interrupt)
    arguments = [small_config, small_checkpoint, '--size', '128x64', '--out', tmp_path / 'new']
    monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(root / 'tools' / 'export.py'), run_name='__main__')
    assert stopped.value.code == 130
    assert capsys.readouterr().err.strip().splitlines()[-1] == 'export.py: interrupted'
    assert list((tmp_path / 'new').iterdir()) == []


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['absent.py', 'CHECKPOINT'], 'absent.py: there is no such config'),
        (['CONFIG', 'absent.pth'], 'absent.pth: there is no such checkpoint'),
        (['CONFIG', 'CONFIG'], 'small.py'),
        (['CONFIG', 'CHECKPOINT', '--size', '128'], "'128' is not a size such as 640x360"),
        (['CONFIG', 'CHECKPOINT', '--format', 'onnx,coreml'], "'coreml' is unknown; choose from onnx, openvino, tensorrt"),
        (['CONFIG', 'CHECKPOINT', '--precision', 'int4'], "'int4' is unknown; choose from fp32, fp16, bf16, int8"),
        (['CONFIG', 'CHECKPOINT', '--batch', '0'], "'0' is not a whole number of at least 1"),
        (['CONFIG', 'CHECKPOINT', '--limit', 'all'], "'all' is not a whole number of at least 1"),
        (['CONFIG', 'CHECKPOINT', '--frames', 'absent'], '--frames absent: no such folder, or no images'),
        (['CONFIG', 'CHECKPOINT', '--out', 'file'], '--out file: cannot write into this folder'),
    ],
)
def test_wrong_input_is_one_line(refused, small_config, small_checkpoint, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').write_text('')
    known = {'CONFIG': small_config, 'CHECKPOINT': small_checkpoint}
    arguments = [known.get(argument, argument) for argument in arguments]
    for option, value in (('--size', '128x64'), ('--out', 'new')):
        arguments += [] if option in arguments else [option, value]
    assert message in refused('export.py', *arguments)
    assert {path.name for path in tmp_path.iterdir()} == {'file'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [(['absent.onnx'], 'absent.onnx: there is no such file'), (['FILE', '--tta'], '--tta does not work with')],
)
def test_wrong_input_of_the_test_tool(refused, small_config, finished, arguments, message):
    arguments = [str(finished[0] / 'small-128x64-fp32.onnx') if text == 'FILE' else text for text in arguments]
    assert message in refused('test.py', small_config, *arguments)
