"""The program predict, with a stand-in for the network that finds what is bright, and one for the outputs."""

import os
import re
import signal
import sys
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency
from mmseg_bisenet_lite.deploy.predict import cli, models, on_cluster, written
from mmseg_bisenet_lite.deploy.predict.frames import Frame
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import write_image

BRIGHT = np.full((20, 30, 3), 200, np.uint8)


class Stub:
    """A ``Segmenter``, and how it was made."""

    runtime, precision = 'stub', 'fp32'
    metadata = None
    made = ()

    def __init__(self, *arguments, **options):
        Stub.made = (*arguments, options)
        self.latency = Latency()

    @classmethod
    def from_checkpoint(cls, *arguments, **options):
        return cls(*arguments, **options)

    def __call__(self, frame):
        if min(frame.shape[:2]) < 16:
            raise InputError(f'the file cannot run on {frame.shape[1]}x{frame.shape[0]}')
        self.latency.add(0.001)
        return (frame[..., 0] > 127).astype(np.uint8)


class Outputs:
    """What would be written."""

    together = False

    def __init__(self, folder, save, metadata, overwrite, sources, mask_values='0/255', part=None, options=''):
        self.options = options
        self.made = (folder, save, overwrite, mask_values, part)
        self.results, self.closed, Outputs.last = [], False, self

    def done(self, frame_name, source):
        return False

    def length(self, source):
        return source.count

    def end(self, source, frames):
        pass

    def write(self, result):
        self.results.append(result)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    @property
    def names(self):
        return sorted(result.frame.name for result in self.results)


@pytest.fixture
def predict(monkeypatch, capsys, metadata):
    """Run the program in this process; returns its status, and the lines of both outputs."""

    def run(*arguments, model='file.onnx', margin=False):
        monkeypatch.setattr(models, 'Segmenter', Stub)
        monkeypatch.setattr(Stub, 'metadata', replace(metadata, margin=margin))
        monkeypatch.setattr(written, 'Outputs', Outputs)
        monkeypatch.setattr(sys, 'argv', ['predict', model, *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as stopped:
            status = stopped.code
        output = capsys.readouterr()
        errors = output.err.splitlines()
        if isinstance(status, str):
            errors, status = [*errors, status], 1
        return status, output.out.splitlines(), errors

    return run


@pytest.fixture
def folder(tmp_path):
    photographs = tmp_path / 'in'
    photographs.mkdir()
    for name in ('a.png', 'b.png', 'c.PNG'):
        write_image(photographs / name, BRIGHT)
    return photographs


@pytest.fixture
def clip(tmp_path):
    file = str(tmp_path / 'clip.avi')
    writer = cv2.VideoWriter(file, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48))
    for _ in range(5):
        writer.write(np.full((48, 64, 3), 200, np.uint8))
    writer.release()
    return file


def test_images_are_segmented_under_their_names(predict, folder, tmp_path):
    status, out, errors = predict(folder, '--out', tmp_path / 'out')
    assert (status, errors) == (0, [])
    assert out[0] == 'file.onnx: stub, fp32; classes: background, vehicle'
    assert out[-2].startswith('frames: 3 done, 0 skipped, 0 failed; ')
    assert out[-1].startswith('3 calls, median 1.00 ms')
    assert Outputs.last.made == (tmp_path / 'out', ['mask', 'overlay'], False, '0/255', None)
    assert Outputs.last.names == ['a', 'b', 'c']
    assert Outputs.last.closed
    result = Outputs.last.results[0]
    assert result.mask.all()
    assert np.array_equal(result.frame.pixels, BRIGHT)
    assert result.margin is None
    assert result.probability is None


def test_a_bad_image_does_not_end_the_run(predict, folder, tmp_path):
    (folder / 'b.png').write_bytes((folder / 'a.png').read_bytes()[:50])
    write_image(folder / 'small.png', BRIGHT[:5, :5])
    (folder / 'notes.txt').touch()
    status, out, errors = predict(folder, '--out', tmp_path / 'out')
    assert status == 1
    assert out[-2].startswith('frames: 2 done, 0 skipped, 2 failed; ')
    assert out[-1].startswith('2 calls')
    assert Outputs.last.names == ['a', 'c']
    left_out, truncated, small, last = errors
    assert left_out == f'{folder}: left out, not images or videos: notes.txt'
    assert truncated.startswith(f'{folder}/b.png: not a readable image, or a truncated one')
    assert small == f'{folder}/small.png: the file cannot run on 5x5'
    assert last.endswith('error: 2 of 4 failed, each is named above: b, small')


def test_a_single_bad_image_is_one_line(predict, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'bad')
    status, _, errors = predict(tmp_path / 'a.jpg')
    assert status == 1
    assert len(errors) == 1
    assert 'a.jpg: not a readable image' in errors[0]


def test_a_broken_video_among_others_fails_and_the_others_are_done(predict, folder, clip, tmp_path):
    (folder / 'bad.mp4').write_bytes(b'bad')
    status, out, errors = predict(folder, clip, '--out', tmp_path / 'out')
    assert status == 1
    assert out[-1].startswith('8 calls')
    assert Outputs.last.names == [*(f'clip/{number:06d}' for number in range(5)), 'in/a', 'in/b', 'in/c']
    assert Outputs.last.made[1] == ['mask', 'overlay', 'video']
    assert errors[0] == f'{folder}/bad.mp4: OpenCV cannot open it as a video, a stream or a camera'
    assert 'error: 1 of 9 failed' in errors[-1]


def test_a_video_is_written_as_a_video(predict, clip, tmp_path):
    assert predict(clip, '--out', tmp_path / 'out')[0] == 0
    assert Outputs.last.made[1] == ['video']
    assert Outputs.last.names == [f'clip/{number:06d}' for number in range(5)]


def test_the_limit_counts_frames(predict, folder):
    assert predict(folder, '--limit', 2)[1][-1].startswith('2 calls')


def test_a_warning_is_one_line_without_the_place_in_the_code(predict, folder, monkeypatch):
    call = Stub.__call__

    def warn(self, frame):
        warnings.warn('letterboxed', stacklevel=1)
        return call(self, frame)

    monkeypatch.setattr(Stub, '__call__', warn)
    shown = warnings.showwarning
    status, _, errors = predict(folder)
    assert (status, errors) == (0, ['warning: letterboxed'])
    assert warnings.showwarning is shown


class Moving:
    label, moving, live, rate, count, files = 'clip.avi', True, False, None, None, ()

    def name(self, number):
        return f'clip/{number}'

    def frame(self, number):
        return Frame(BRIGHT, self, self.name(number), number, 0.0)


def test_a_broken_video_shows_its_figures_before_the_error(predict, monkeypatch, tmp_path):
    class Broken(Moving):
        def __iter__(self):
            yield self.frame(0)
            raise InputError('clip.avi: only 1 of 2 frames could be read')

    (tmp_path / 'clip.avi').touch()
    monkeypatch.setattr(cli, 'sources_in', lambda *_, **__: [Broken()])
    status, out, errors = predict(tmp_path / 'clip.avi', '--out', tmp_path / 'out')
    assert status == 1
    assert out[-1].startswith('1 calls')
    assert errors[-1].endswith('error: clip.avi: only 1 of 2 frames could be read')
    assert Outputs.last.closed


@pytest.mark.parametrize(
    ('number', 'status', 'word'), [(signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, 'terminated')]
)
def test_a_signal_shows_the_figures_keeps_what_is_done_and_ends(predict, monkeypatch, tmp_path, number, status, word):
    class Stopped(Moving):
        def __iter__(self):
            yield self.frame(0)
            yield self.frame(1)
            os.kill(os.getpid(), number)
            for later in range(2, 10_000):
                yield self.frame(later)

    (tmp_path / 'clip.avi').touch()
    monkeypatch.setattr(cli, 'sources_in', lambda *_, **__: [Stopped()])
    before = signal.getsignal(number)  # a process in the background ignores Ctrl-C
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        found, out, errors = predict(tmp_path / 'clip.avi', '--out', tmp_path / 'out')
    finally:
        signal.signal(number, before)
    assert found == status
    calls = int(out[-1].split()[0])
    assert 0 < calls < 10_000
    assert len(Outputs.last.results) in (calls, calls - 1)  # the signal may come between a mask and its writer
    assert Outputs.last.closed
    assert errors[-1].endswith(f'predict: {word}')


def test_an_output_that_cannot_be_written_stops_all_with_one_line(predict, folder, tmp_path, monkeypatch):
    def full(self, result):
        raise InputError('--out out: No space left on device')

    monkeypatch.setattr(Outputs, 'write', full)
    status, _, errors = predict(folder, '--out', tmp_path / 'out')
    assert status == 1
    assert errors == ['predict: error: --out out: No space left on device']
    assert Outputs.last.closed


def test_what_is_asked_of_the_network_and_the_outputs(predict, folder, tmp_path):
    options = ('--device', 'GPU', '--threads', '2', '--precision', 'bf16', '--threshold', '-0.5')
    outputs = ('--save', 'mask', '--mask-values', '0/1', '--overwrite', '--shard', '2/3')
    assert predict(folder, '--out', tmp_path / 'out', *options, *outputs)[0] == 0
    assert Stub.made == ('file.onnx', dict(device='GPU', threads=2, precision='bf16', resize=True, threshold='-0.5'))
    assert Outputs.last.made == (tmp_path / 'out', ['mask'], True, '0/1', '2of3')
    assert '--mask-values 0/1' in Outputs.last.options
    assert Outputs.last.names == ['b']
    predict(folder, '--recall', '0.95')
    assert Stub.made[-1]['threshold'] == 'recall=0.95'


def test_a_shard_without_files_is_no_error(predict, folder, tmp_path):
    status, out, _ = predict(folder, '--out', tmp_path / 'out', '--shard', '4/4')
    assert status == 0
    assert out == ['--shard 4/4: no files are left for this shard']  # the network is not loaded for it


@pytest.mark.parametrize(
    ('model', 'options', 'expected'),
    [
        ('lite-shared_hinge_vehicle_camvid', (), ('bisenet-lite://lite-shared_hinge_vehicle_camvid',)),
        ('bisenet-lite://lite-shared_hinge_vehicle_camvid', (), ('bisenet-lite://lite-shared_hinge_vehicle_camvid',)),
        ('a.onnx', (), ('a.onnx',)),
        ('config.py', ('--checkpoint', 'a.pth'), ('config.py', 'a.pth')),
    ],
)
def test_which_model_is_loaded(predict, folder, model, options, expected):
    assert predict(folder, *options, model=model)[0] == 0
    assert Stub.made[:-1] == expected


@pytest.mark.parametrize(
    ('model', 'arguments', 'message'),
    [
        ('config.py', (), 'config.py: a config needs weights; give --checkpoint FILE'),
        ('a.onnx', ('--checkpoint', 'a.pth'), '--checkpoint: a.onnx has its weights already; give --checkpoint only with a'),
        ('a.onnx', ('--stabilise',), '--stabilise: still images have no earlier frame; give a video, a camera or a/%04d.png'),
        ('a.onnx', ('0',), '0: cameras and streams do not wait for files; run files and live sources one by one'),
        ('a.onnx', ('--max-fps', '5'), '--max-fps: no SOURCE is a camera or a stream; leave it out'),
        ('a.onnx', ('--save', 'overlay', '--mask-values', '0/1', '--out', 'out'), '--mask-values 0/1: no masks are written;'),
        ('a.onnx', ('--save', 'margin', '--out', 'out'), 'need the margin, which this file was exported without; export it'),
    ],
)
def test_options_that_do_not_go_together(predict, folder, tmp_path, monkeypatch, model, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, errors = predict(folder, *arguments, model=model)
    assert status == 1
    assert message in errors[-1]
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--save', 'mask'), '--save is about what is written; give --out too'),
        (('--overwrite',), '--overwrite is about what is written; give --out too'),
        (('--shard', '1/2'), '--shard is about what is written; give --out too'),
        (('--out', 'out', '--save', 'masks'), "'masks' is unknown; choose from mask, overlay, margin, confidence, contours, "),
        (('--out', 'out', '--shard', '0/2'), 'I from 1 to N; with an array that begins at 0, give $((SLURM_ARRAY_TASK_ID + 1'),
        (('--out', 'out', '--shard', '3/2'), "'3/2' is not a shard I/N, I from 1 to N"),
        (('--roi', '1,2,0,4'), 'is no region such as 0,120,640,240 (left, top, width, height in pixels)'),
        (('--tiles', '3'), "'3' is no grid such as 2x1 (columns x rows)"),
        (('--abstain', '1.5'), 'abstain 1.5: give a probability from 0.5 to below 1, such as 0.9'),
        (('--abstain', '0.3'), 'abstain 0.3: give a probability from 0.5 to below 1, such as 0.9'),
        (('--recall', '0.9', '--threshold', '1'), 'not allowed with argument --recall'),
    ],
)
def test_a_wrong_command_line(predict, folder, arguments, message):
    status, _, errors = predict(folder, *arguments)
    assert status == 2
    assert message in errors[-1]


def test_a_shard_of_images_alone_is_no_reason_not_to_stabilise(predict, folder, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Stub, 'with_margin', lambda self, frame: (self(frame), np.ones(frame.shape[:2], np.float32)), raising=False
    )
    for part in ('1/4', '4/4'):  # an image, and the video
        options = ('--save', 'mask', '--stabilise', '--shard', part)
        assert predict(folder, clip, *options, '--out', tmp_path / 'out', margin=True)[0] == 0


def test_the_stabiliser_begins_anew_in_each_source(predict, clip, tmp_path, monkeypatch):
    made = []

    class Stabiliser:
        def __init__(self):
            made.append(0)

        def __call__(self, margin, frame):
            made[-1] += 1
            return (margin > 1).astype(np.uint8), margin + 1

    monkeypatch.setattr('mmseg_bisenet_lite.deploy.predict.network.Stabiliser', Stabiliser)
    monkeypatch.setattr(Stub, 'with_margin', lambda self, frame: (self(frame), np.ones((48, 64), np.float32)), raising=False)
    other = tmp_path / 'other.avi'
    other.write_bytes((tmp_path / 'clip.avi').read_bytes())
    status, _, errors = predict(clip, other, '--stabilise', '--out', tmp_path / 'out', '--save', 'margin', margin=True)
    assert (status, errors) == (0, [])
    assert made == [5, 5]
    assert all(result.mask.max() == 0 and result.margin.min() == 2 for result in Outputs.last.results)


def test_live_sources_go_to_the_live_runner(predict, monkeypatch):
    calls = []
    monkeypatch.setattr(cli, 'run_live', lambda *arguments, **options: calls.append((arguments, options)))
    assert predict('0', 'rtsp://robot/camera', '--max-fps', '5', '--limit', '9')[0] == 0
    (((_, sources, write), options),) = calls
    assert [source.label for source in sources] == ['0', 'rtsp://robot/camera']
    assert write is None
    assert options == dict(limit=9, batch=None, max_fps=5.0, reconnect_for=60.0)


@pytest.fixture
def shards_here(monkeypatch):
    """Run the shards of ``--ray`` in this process; returns what Ray was asked for."""
    asked = []

    def run_shards(load, shards, workers, address, cpus, gpus, show):
        asked.append((shards, workers, address, cpus, gpus))
        run = load()
        results = [run(number, shards) for number in range(1, shards + 1)]
        for result in results:
            show(result)
        return results

    monkeypatch.setattr(on_cluster, 'run_shards', run_shards)
    return asked


def test_ray_shares_the_files_out_and_sums_up(predict, folder, tmp_path, shards_here, monkeypatch):
    (folder / 'b.png').write_bytes(b'damaged')
    written_names = []
    monkeypatch.setattr(Outputs, 'write', lambda self, result: written_names.append((result.frame.name, self.made[-1])))
    status, out, errors = predict(folder, '--out', tmp_path / 'out', '--ray', 'auto', '--workers', '2', '--threads', '3')
    assert (status, shards_here) == (1, [(2, 2, 'auto', 3, 0)])
    assert sorted(written_names) == [('a', '1of2'), ('c', '1of2')]
    assert out[-1] == '2 frames done, 0 skipped, in 2 shards on 2 workers'
    assert re.search(r'1 failed: .*b\.png: not a readable image', errors[-1])
    for options, threads in (((), 1), (('--device', 'cuda'), None), (('--device', 'NPU'), None)):
        predict(folder, '--out', tmp_path / 'out', '--ray', 'auto', '--workers', '2', *options)
        assert Stub.made[1]['threads'] == threads


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--workers', '2'), '--workers is about --ray'),
        (('--ray',), '--ray needs --out'),
        (('--ray', '--out', 'o', '--shard', '1/2'), 'shares the files out by itself'),
        (('--ray', '--out', 'o', '--limit', '2'), 'has no --limit'),
    ],
)
def test_options_that_do_not_go_with_ray_are_refused(predict, folder, options, message):
    status, _, errors = predict(folder, *options)
    assert status == 2
    assert message in errors[-1]


@pytest.mark.parametrize(
    ('model', 'device', 'gpus'),
    [
        *(('a.onnx', device, 0) for device in (None, 'cpu')),
        *(('a.onnx', device, 1) for device in ('cuda', 'cuda:0', 'tensorrt:0')),
        *(('a.xml', device, number) for device, number in (('GPU', 1), ('gpu.0', 1), ('NPU', 0))),
        *(('a.engine', device, 1) for device in (None, 'cuda')),
    ],
)
def test_rays_workers_get_the_gpus_that_they_use(model, device, gpus):
    assert on_cluster.gpus_of(model, device) == gpus


def test_a_gpu_of_this_machine_is_none_of_a_worker(predict, folder, shards_here):
    status, _, errors = predict(folder, '--out', 'o', '--ray', '--device', 'cuda:1')
    assert (status, shards_here) == (1, [])
    assert '--device cuda:1: with --ray each worker has a GPU of its own; give --device cuda' in errors[-1]
