"""What the runtimes say to wrong input; their masks are compared in tests/export/test_formats.py."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.deploy.runtimes import SUFFIXES, onnx_runtime, openvino_runtime, runtime
from mmseg_bisenet_lite.export.formats import FORMATS, write
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def files(small_config, small_checkpoint, metadata, tmp_path_factory):
    segmentor = load_segmentor('small', read_config(str(small_config)), str(small_checkpoint))
    folder = tmp_path_factory.mktemp('files')
    job = Job(segmentor, replace(metadata, size=(64, 32), precision='fp32'))
    found = {name: folder / f'a{FORMATS[name]}' for name in ('onnx', 'openvino')}
    for name, file in found.items():
        write(name, job, file)
    found['any size'] = folder / 'b.xml'
    write('openvino', Job(segmentor, replace(metadata, size=None, batch=None, precision='fp32')), found['any size'])
    return found


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_a_file_that_is_not_there(suffix, tmp_path):
    with pytest.raises(InputError, match=rf'absent\{suffix}: there is no such file'):
        Segmenter(tmp_path / f'absent{suffix}')


@pytest.mark.parametrize('name', ['weights.txt', 'model', 'model.onnx.txt'])
def test_a_file_of_another_kind(name, tmp_path):
    (tmp_path / name).write_bytes(b'')
    with pytest.raises(InputError, match=r'not an exported file; the names of exported files end in \.onnx, \.xml, \.engine'):
        Segmenter(tmp_path / name)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('a.bin', r"a\.bin: not an exported file; it holds OpenVINO's weights; give the \.xml file beside it"),
        ('a.pth', r'a\.pth: not an exported file; it is a checkpoint; export it with tools/export\.py first'),
        ('a.safetensors', r'a\.safetensors: not an exported file; these are weights; give bisenet-lite://NAME'),
        ('a.pt2', r'a\.pt2: not an exported file; no longer read; export it again'),
        ('', r'a folder; give an exported file in it, whose name ends in \.onnx, \.xml, \.engine'),
        ('absent.ONNX', r'absent\.ONNX: there is no such file'),
    ],
)
def test_what_is_taken_for_an_exported_file(name, message, tmp_path):
    if not name.startswith('absent') and name:
        (tmp_path / name).write_bytes(b'')
    with pytest.raises(InputError, match=message):
        Segmenter(tmp_path / name)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('https://a.org/a.onnx', r'https://a\.org/a\.onnx: not a path on this machine; download the file'),
        ('bisenet-lite://absent', r'bisenet-lite://absent: there are no such weights in the package; choose from lite'),
        (
            'lite-shared_hinge_vehicle_camvid',
            r'give bisenet-lite://lite-shared_hinge_vehicle_camvid for the weights in the package',
        ),
        (Path('bisenet-lite://a'), r'bisenet-lite:/a: .* give the name as a text, bisenet-lite://NAME'),
        (None, r'None: give the path of an exported file, or bisenet-lite://NAME'),
    ],
)
def test_names_that_are_no_paths(name, message):
    with pytest.raises(InputError, match=message):
        Segmenter(name)


@pytest.mark.parametrize(
    ('suffix', 'module', 'distribution'),
    [
        ('.onnx', 'onnxruntime', 'onnxruntime'),
        ('.xml', 'openvino', 'openvino'),
        ('.engine', 'tensorrt', 'tensorrt'),
    ],
)
def test_a_library_that_is_missing(suffix, module, distribution, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(openvino_runtime, 'the_core', openvino_runtime.the_core.__wrapped__)
    (tmp_path / f'a{suffix}').write_bytes(b'')
    with pytest.raises(InputError, match=rf'{module} cannot be imported .*: run pip install {distribution}$'):
        Segmenter(tmp_path / f'a{suffix}')


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
@pytest.mark.parametrize('damage', ['cut', 'noise', 'empty'])
def test_a_file_that_is_damaged(files, name, damage, tmp_path):
    file = tmp_path / files[name].name
    content = files[name].read_bytes()
    file.write_bytes({'cut': content[: len(content) // 2], 'noise': b'\x93' * 1000, 'empty': b''}[damage])
    if name == 'openvino':
        shutil.copy(files[name].with_suffix('.bin'), tmp_path)
    with pytest.raises(InputError, match=rf'{file.name}: ') as said:
        Segmenter(file)
    assert '\n' not in str(said.value)


def test_onnx_runtime_computes_exactly_on_cpus_without_vnni(files):
    """Else files from before weights took 7 bits would give other masks there."""
    options = onnx_runtime.open_session(str(files['onnx'])).get_session_options()
    assert options.get_session_config_entry('session.x64quantprecision') == '1'


def test_openvinos_weights_lie_beside_its_graph(files, tmp_path):
    shutil.copy(files['openvino'], tmp_path)
    with pytest.raises(InputError, match=r'a\.xml: its weights are missing; put a\.bin into the same folder'):
        Segmenter(tmp_path / 'a.xml')


def test_a_file_of_somebody_else(tmp_path):
    import onnx
    import openvino

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Identity', ['a'], ['b'])],
        'other',
        [onnx.helper.make_tensor_value_info('a', 1, [1])],
        [onnx.helper.make_tensor_value_info('b', 1, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10)
    onnx.save(model, tmp_path / 'a.onnx')
    openvino.save_model(openvino.Core().read_model(tmp_path / 'a.onnx'), tmp_path / 'a.xml')
    for name in ('a.onnx', 'a.xml'):
        with pytest.raises(InputError, match=rf'{name}: not a file that tools/export\.py wrote'):
            Segmenter(tmp_path / name)


@pytest.mark.parametrize(
    ('name', 'arguments', 'message'),
    [
        ('onnx', dict(device='tpu'), "device='tpu': choose cpu, cuda:N or tensorrt:N"),
        ('onnx', dict(precision='bf16'), 'its precision is fp32; for bf16, export it again'),
        ('openvino', dict(device='VPU'), "device='VPU': OpenVINO finds no such device; choose from .*CPU"),
        ('openvino', dict(precision='fp8'), "precision='fp8': choose from fp32, fp16, bf16 for OpenVINO"),
        ('onnx', dict(threads=0), 'threads=0: give a whole number from 1 to '),
        ('onnx', dict(threads='2'), "threads='2': give a whole number"),
        ('openvino', dict(threads=10**6), 'threads=1000000: give a whole number'),
    ],
)
def test_what_a_runtime_cannot_do(files, name, arguments, message):
    with pytest.raises(InputError, match=message):
        Segmenter(files[name], **arguments)


def test_threads_are_those_of_the_process_and_not_of_the_machine(monkeypatch):
    monkeypatch.setattr(runtime, 'usable_cores', lambda: 3)
    runtime.check_threads(3)
    with pytest.raises(InputError, match='threads=4: give a whole number from 1 to 3, the cores that this process may use'):
        runtime.check_threads(4)


@pytest.mark.parametrize(('device', 'provider'), [('CUDA:0', 'CUDA'), ('tensorrt:0', 'Tensorrt')])
def test_onnx_runtime_never_falls_back_in_silence(files, device, provider, monkeypatch):
    import onnxruntime

    if f'{provider}ExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip(f'this ONNX Runtime has {provider}')
    with pytest.raises(InputError, match=rf'has no {provider}ExecutionProvider, only .*, run pip install onnxruntime-gpu'):
        Segmenter(files['onnx'], device=device)
    # A build that has the provider, on a machine without the GPU, runs on the CPU and only logs it.
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [f'{provider}ExecutionProvider'])
    session = onnxruntime.InferenceSession

    def on_the_cpu(*args, providers, **kwargs):
        return session(*args, providers=['CPUExecutionProvider'], **kwargs)

    monkeypatch.setattr(onnxruntime, 'InferenceSession', on_the_cpu)
    with pytest.raises(InputError, match=f'{provider}ExecutionProvider did not start'):
        Segmenter(files['onnx'], device=device)


def test_openvino_never_computes_in_less_than_it_was_told(files, monkeypatch):
    """Left to itself OpenVINO takes bf16 for a float32 file where the CPU is faster in it."""
    segmenter = Segmenter(files['openvino'])
    assert segmenter.precision == 'fp32'
    assert str(segmenter._runtime._compiled.get_property('INFERENCE_PRECISION_HINT')) in ("<Type: 'float32'>", 'f32')
    import openvino

    real = openvino.Core.get_property

    def without_bf16(self, device, name, *rest):
        found = real(self, device, name, *rest)
        return [each for each in found if each != 'BF16'] if name == 'OPTIMIZATION_CAPABILITIES' else found

    monkeypatch.setattr(openvino.Core, 'get_property', without_bf16)
    with pytest.raises(InputError, match=r'a\.xml: .* \(CPU\) has no bf16 arithmetic; set precision to one of fp32'):
        Segmenter(files['openvino'], precision='bf16')


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_threads_may_run_it_at_once(files, name):
    segmenter = Segmenter(files[name], threads=1)
    frames = np.random.default_rng(0).integers(0, 256, (12, 32, 64, 3), np.uint8)
    assert np.array_equal(np.stack(list(segmenter.stream(frames, ahead=4))), segmenter(frames))


@pytest.mark.parametrize('threads', [1, None])
def test_after_a_frame_that_is_too_small_openvino_goes_on(files, threads):
    """OpenVINO itself would give the mask of the frame before, refuse all later frames, or end the process."""
    segmenter = Segmenter(files['any size'], threads=threads)
    rng = np.random.default_rng(0)
    good = rng.integers(0, 256, (48, 64, 3), np.uint8)
    expected = segmenter(good)
    for height, width in ((16, 64), (64, 16), (1, 1)):
        with pytest.raises(InputError, match='is too small: OpenVINO takes frames from 17x17'):
            segmenter(rng.integers(0, 256, (height, width, 3), np.uint8))
        assert np.array_equal(segmenter(good), expected)
    assert segmenter(rng.integers(0, 256, (17, 17, 3), np.uint8)).shape == (17, 17)


@pytest.mark.parametrize('wrong', [RuntimeError('failed'), np.zeros((1, 3, 3), np.uint8)])
def test_after_an_error_openvino_starts_anew(files, wrong):
    class Request:
        def infer(self, *args, **kwargs):
            if isinstance(wrong, Exception):
                raise wrong
            return [wrong, wrong]

    segmenter = Segmenter(files['any size'])
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    expected = segmenter(frame)
    segmenter._runtime._request = Request()
    with pytest.raises(InputError, match=r'cannot run on .* 64x48'):
        segmenter(frame)
    assert np.array_equal(segmenter(frame), expected)


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_exported_files_run_in_a_forked_process(files, name):
    segmenter = Segmenter(files[name])
    frame = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    expected = segmenter(frame)
    child = multiprocessing.get_context('fork').Process(
        target=lambda: os._exit(0 if np.array_equal(segmenter(frame), expected) else 3)
    )
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0


def test_onnx_runtime_keeps_no_record_of_its_use(tmp_path, monkeypatch):
    monkeypatch.delenv('ORT_DISABLE_TELEMETRY', raising=False)
    require('onnxruntime', 'onnxruntime')
    home = dict(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / '.cache'))
    subprocess.run([sys.executable, '-c', 'import onnxruntime'], env=os.environ | home, check=True)
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]
