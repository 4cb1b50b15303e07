"""Every format and precision is written, run again in its runtime, and compared with MMSegmentation."""

import resource
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.export.formats import FORMATS
from mmseg_bisenet_lite.export.formats import write as write_format
from mmseg_bisenet_lite.export.job import Job
from mmseg_bisenet_lite.export.parity import mmseg_predictor
from mmseg_bisenet_lite.export.samples import RenderedSamples, samples_to_calibrate, samples_to_compare
from mmseg_bisenet_lite.models.batch_norms import batch_norms
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.errors import InputError

pytestmark = pytest.mark.slow

SIZE = (128, 64)


@pytest.fixture(scope='module', autouse=True)
def _only_labels_count():
    """The scores of random weights lie near their decision, so the foreground moves far: nearly all layers would be spared."""
    from mmseg_bisenet_lite.export import quantise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantise, 'MOST_MOVED', 1e9)
        yield


@torch.no_grad()
def settle(segmentor, frames):
    """Let initial weights tell the pixels of the frames apart: batch norms that know them, half of the pixels on each side."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 64 - 2
    for norm in batch_norms(segmentor):
        norm.momentum = None  # the statistics are the mean of all calls
    head = segmentor.train().decode_head
    head(segmentor.extract_feat(images))
    scores = segmentor.eval().decode_head(segmentor.extract_feat(images))
    head.conv_seg.bias[1] -= (scores[:, 1] - scores[:, 0]).median()


@pytest.fixture(scope='module')
def config(small_config):
    return read_config(str(small_config))


@pytest.fixture(scope='module')
def segmentor(small_config, small_checkpoint, config):
    return load_segmentor('small', config, str(small_checkpoint))


@pytest.fixture(scope='module')
def write(segmentor, metadata, config, tmp_path_factory):
    """Writes a file with a margin and says which layers it spares."""

    def write(name, precision, size=SIZE, batch=1, source='val'):
        calibration = samples_to_calibrate(source, config, SIZE)[:8]
        job = Job(
            segmentor,
            replace(metadata, size=size, batch=batch, precision=precision, margin=True),
            calibration[:6],
            calibration[6:],
        )
        file = tmp_path_factory.mktemp(name) / f'{precision}{FORMATS[name]}'
        return file, write_format(name, job, file)

    return write


@pytest.fixture(scope='module')
def fp32(write):
    """A file of each format that runs here."""
    return {name: write(name, 'fp32')[0] for name in ('onnx', 'openvino')}


@pytest.fixture(scope='module')
def free(write):
    """The same for frames of any size, any number of them."""
    return {name: write(name, 'fp32', size=None, batch=None)[0] for name in ('onnx', 'openvino')}


@pytest.fixture(scope='module')
def samples(config):
    return samples_to_compare('val', config, SIZE)


def margins(segmenter, samples):
    return np.stack([segmenter.with_margin(sample.frame)[1] for sample in samples])


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_single_precision_gives_mmsegmentations_masks(fp32, segmentor, samples, name):
    segmenter, expected = Segmenter(fp32[name], threads=1), mmseg_predictor(segmentor)
    for sample in [*samples, *RenderedSamples(SIZE, 3)]:
        mask, margin = segmenter.with_margin(sample.frame)
        assert mask.dtype == np.uint8
        assert margin.dtype == np.float32
        reference = expected(sample.frame)
        assert 0.02 < reference.mean() < 0.98
        assert (mask != reference).mean() <= 0.001
        assert np.array_equal(mask, margin > 0)


@pytest.mark.parametrize(
    ('name', 'precision', 'error'),
    [
        ('onnx', 'fp16', 0.02),
        ('openvino', 'fp16', 0.02),
        ('openvino', 'bf16', 0.1),
        ('onnx', 'int8', 0.5),
        ('openvino', 'int8', 0.5),
    ],
)
def test_lower_precisions_come_near(fp32, write, samples, name, precision, error):
    """Near in the root of the mean square: where this random network's margins are small, masks say little."""
    file, spared = write(name, precision)
    reference = margins(Segmenter(fp32['onnx']), samples)
    try:
        segmenter = Segmenter(file)
    except InputError as refused:
        if f'has no {precision} arithmetic' not in str(refused):
            raise
        pytest.skip(f'this CPU computes in no {precision}: {refused}')
    found = margins(segmenter, samples)
    assert 0 < np.sqrt(((found - reference) ** 2).mean()) < error * reference.std()
    assert segmenter.metadata.precision == precision
    assert set(spared) <= set(convolutions(fp32['onnx']))
    smaller = file if name != 'openvino' else file.with_suffix('.bin')
    original = fp32[name] if name != 'openvino' else fp32[name].with_suffix('.bin')
    most = {'fp16': 0.6, 'bf16': 0.6, 'int8': 0.4}[precision]
    assert spared or smaller.stat().st_size < most * original.stat().st_size


def convolutions(file):
    import onnx

    return [node.name for node in onnx.load(file).graph.node if node.op_type == 'Conv']


def test_layers_that_hurt_stay_in_higher_precision(fp32, write, samples, monkeypatch):
    """Of renders, which have no ground truth, every pixel that differs is a loss; next to none may, so layers are spared."""
    from mmseg_bisenet_lite.export import quantise

    monkeypatch.setattr(quantise, 'MOST_RESTORED', 1)  # for the test's sake: it could go on
    monkeypatch.setattr(quantise, 'MOST_MOVED', 1.0)
    file, spared = write('openvino', 'int8', source='renders')
    assert np.isfinite(margins(Segmenter(file), samples)).all()
    assert 0 < len(spared) <= len(convolutions(fp32['onnx']))


def test_onnx_runtime_spares_the_layers_that_were_chosen(fp32, write, monkeypatch):
    """How they are chosen is tested in test_quantise."""
    import onnx

    from mmseg_bisenet_lite.export import quantise

    scores = []

    def choose(layers, score, enough):
        scores.extend([score([]), score(layers[:3]), enough])
        return layers[:3]

    monkeypatch.setattr(quantise, 'spare', choose)
    monkeypatch.setattr(quantise, 'MOST_MOVED', 1.0)
    file, spared = write('onnx', 'int8', source='renders')
    assert spared == convolutions(fp32['onnx'])[:3]
    graph = onnx.load(file).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    weights_of = {node.name: made_by.get(node.input[1], 'constant') for node in graph.node if node.op_type == 'Conv'}
    assert [name for name, kind in weights_of.items() if kind == 'constant'] == spared
    assert set(weights_of.values()) == {'constant', 'DequantizeLinear'}
    assert not any(node.op_type == 'MatMul' and made_by.get(node.input[0]) == 'DequantizeLinear' for node in graph.node)
    # Without ground truth the network's own masks are the truth, so the plain file scores 100.
    assert scores[2] == pytest.approx(100 - quantise.MOST_LOST)
    assert scores[0] < 100


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_any_size_and_any_number_of_frames(free, segmentor, name):
    segmenter = Segmenter(free[name])
    expected = mmseg_predictor(segmentor)
    for size, count in (((128, 64), 1), ((101, 67), 3), ((64, 160), 2)):
        frames = np.stack([sample.frame for sample in RenderedSamples(size, count)])
        masks = segmenter(frames)
        assert masks.shape == (count, *size[::-1])
        assert (masks != np.stack([expected(frame) for frame in frames])).mean() <= 0.001


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_any_size_with_a_pyramid_of_pools(metadata, tmp_path, name):
    """The regions of a pool depend on the size of its map, and exporters like to unroll them for one size."""
    config = read_config(str(mim_folder('mmseg_bisenet_lite') / 'configs' / 'camvid' / 'fastscnn-shared_hinge_vehicle.py'))
    torch.manual_seed(0)
    segmentor = load_segmentor('fastscnn-shared', config, None)
    settle(segmentor, np.stack([sample.frame for sample in RenderedSamples((416, 256), 2)]))
    file = tmp_path / f'pools{FORMATS[name]}'
    write_format(name, Job(segmentor, replace(metadata, size=None, batch=None, precision='fp32')), file)
    segmenter, expected = Segmenter(file), mmseg_predictor(segmentor)
    for size, count in (((416, 256), 1), ((201, 333), 2)):
        frames = np.stack([sample.frame for sample in RenderedSamples(size, count)])
        masks = np.stack([expected(frame) for frame in frames])
        assert 0.1 < masks.mean() < 0.9
        assert (segmenter(frames) != masks).mean() <= 0.0001


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_a_fixed_batch(write, fp32, samples, name):
    frames = np.stack([samples[0].frame, samples[1].frame, samples[0].frame[::-1]])
    one, two = Segmenter(fp32[name]), Segmenter(write(name, 'fp32', batch=2)[0])
    assert (one(frames) != two(frames)).mean() <= 0.001


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_the_file_says_what_it_is_and_nothing_of_this_machine(fp32, metadata, root, name):
    file = fp32[name]
    assert Segmenter(file).metadata == replace(metadata, size=SIZE, precision='fp32', margin=True)
    content = file.read_bytes()
    for folder in (str(root), 'site-packages', str(file.parent)):
        assert folder.encode() not in content


def test_the_interface_of_the_onnx_file(fp32):
    """What a user of another language relies on, as the README has it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(fp32['onnx']))
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [('frames', 'tensor(uint8)', [1, 64, 128, 3])]
    assert [(o.name, o.type, o.shape) for o in session.get_outputs()] == [
        ('mask', 'tensor(uint8)', [1, 64, 128]),
        ('margin', 'tensor(float)', [1, 64, 128]),
    ]


def test_free_axes_have_names(free):
    import onnx

    model = onnx.load(free['onnx'])
    shapes = [
        [dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [['batch', 'height', 'width', ''], ['batch', 'height', 'width'], ['batch', 'height', 'width']]


def test_onnx_has_no_bf16(write):
    with pytest.raises(InputError, match='--precision bf16: ONNX Runtime cannot run this network'):
        write('onnx', 'bf16')


def test_frames_that_are_too_small_are_one_line(free):
    with pytest.raises(InputError, match=r'a frame of 2x2 is too small') as said:
        Segmenter(free['openvino'])(np.zeros((2, 2, 3), np.uint8))
    assert '\n' not in str(said.value)


def test_a_size_that_the_network_cannot_take_is_named(segmentor, metadata, tmp_path, monkeypatch):
    def misfit(*_):
        raise RuntimeError('Sizes of tensors must match\nand so on')

    monkeypatch.setattr(type(segmentor.decode_head), 'forward', misfit)
    job = Job(segmentor, replace(metadata, size=(50, 40), precision='fp32'))
    with pytest.raises(InputError, match=r'--size 50x40: the network cannot be exported .*: Sizes of tensors must match$'):
        write_format('onnx', job, tmp_path / 'a.onnx')


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_a_disk_that_is_full_is_an_error(write, name):
    """A limit on the size of files stands in for the disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(
            (OSError, InputError), match=r'File too large|OpenVINO cannot write it; is the disk of --out full\?'
        ):
            write(name, 'fp32')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('name', ['onnx', 'openvino', 'tensorrt'])
def test_int8_needs_frames(segmentor, metadata, tmp_path, name):
    pytest.importorskip('tensorrt', reason='TensorRT is not installed') if name == 'tensorrt' else None
    with pytest.raises(InputError, match='int8 needs calibration frames'):
        write_format(name, Job(segmentor, replace(metadata, size=SIZE)), tmp_path / f'a{FORMATS[name]}')
