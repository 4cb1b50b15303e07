"""The networks that the page offers."""

import subprocess
import sys

import pytest

from mmseg_bisenet_lite.deploy.demo import model as module
from mmseg_bisenet_lite.deploy.demo.model import open_models
from mmseg_bisenet_lite.pretrained.names import names
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture
def opened(monkeypatch, model):
    """What is opened, with which options; the network is a stub."""
    calls = []

    def segmenter(file, device, threads, precision, resize, threshold):
        calls.append((file, dict(device=device, threads=threads, precision=precision, resize=resize, threshold=threshold)))
        return model(threshold=1.5 if threshold == 'best' else 0.5).segmenter

    monkeypatch.setattr(module, 'Segmenter', segmenter)
    return calls


def test_without_models_all_weights_of_the_package_are_offered_at_their_best_threshold(opened):
    models = open_models([], threads=2)
    assert list(models) == names()
    assert [name for name, _ in opened] == [f'bisenet-lite://{name}' for name in names()]
    for _, options in opened:
        assert options == dict(device=None, threads=2, precision=None, threshold='best', resize=True)
    assert all(each.threshold == each.best == 1.5 for each in models.values())


def test_files_and_names_can_be_mixed_and_repetitions_are_dropped(opened):
    models = open_models(['a.onnx', f'bisenet-lite://{names()[0]}', 'a.onnx'], device='cpu')
    assert list(models) == ['a.onnx', names()[0]]
    assert opened[0] == ('a.onnx', dict(device='cpu', threads=None, precision=None, resize=True, threshold=None))
    assert models['a.onnx'].threshold == 0.5


def test_a_file_is_offered_by_its_name_and_by_its_path_only_if_another_has_the_name(opened):
    assert list(open_models(['one/a.onnx', 'two/a.onnx', 'two/b.onnx'])) == ['a.onnx', 'two/a.onnx', 'b.onnx']


def test_each_network_has_run_once_and_that_run_is_not_counted(opened):
    (each,) = open_models(['a.onnx']).values()
    assert each.segmenter.latency.calls == 0


def test_a_file_that_cannot_be_opened_is_one_line():
    with pytest.raises(InputError, match=r'absent\.onnx: there is no such file'):
        open_models(['absent.onnx'])


def test_why_a_network_gives_no_confidence(model, metadata):
    class Uncalibrated(type(metadata)):
        def probability(self, margin):
            raise InputError('no calibration; export it again')

    assert model().why_no_confidence is None
    assert model(Uncalibrated).why_no_confidence == 'no calibration; export it again'
    assert model(Uncalibrated, margin=False).why_no_confidence.startswith('the file was exported without the margin')


def test_it_needs_neither_pytorch_nor_mmsegmentation_nor_gradio_to_start(root, tmp_path):
    code = (
        'import sys\n'
        'for name in ("torch", "mmseg", "mmengine", "mmcv", "gradio"): sys.modules[name] = None\n'
        'from mmseg_bisenet_lite.deploy.demo.cli import main\n'
        'sys.argv = ["demo", "absent.onnx", "--port", "49171"]\n'
        'main()'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)
    assert done.stderr.strip() == 'demo: error: absent.onnx: there is no such file'
