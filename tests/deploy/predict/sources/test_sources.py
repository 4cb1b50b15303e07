"""Frames of folders, videos, streams and cameras, also of damaged ones."""

import functools
import os
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict.frames import Failure
from mmseg_bisenet_lite.deploy.predict.sources import Images, Video, find, sources_in, sources_of
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import write_image

FRAMES = 24


def frame(number, size=(64, 48)):
    """A frame by whose brightness its number is known again."""
    return np.full((size[1], size[0], 3), 10 * number + 5, np.uint8)


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    """An .avi in which each frame stands by itself, and an .mkv, which states no number of frames but a duration."""
    folder = tmp_path_factory.mktemp('clips')
    for name in ('clip.avi', 'clip.mkv'):
        writer = cv2.VideoWriter(str(folder / name), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48))
        for number in range(FRAMES):
            writer.write(frame(number))
        writer.release()
    return folder


@pytest.fixture
def opened(monkeypatch):
    """What OpenCV is asked to open; each stands for a camera that gives three frames and is then unplugged."""
    asked = []

    class Capture:
        def __init__(self, source, *_):
            asked.append(source)
            self.left = 3

        def set(self, *_):
            return False

        def isOpened(self):  # noqa: N802  OpenCV's name
            return True

        def get(self, _):
            return -9.2e18  # FFmpeg's answer for a stream

        def grab(self):
            self.left -= 1
            return self.left >= 0

        def retrieve(self):
            return True, frame(0)

        def release(self):
            asked.append('released')

    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    return asked


def source_of(text):
    (source,) = sources_of([text])
    return source


def numbers(source):
    """Numbers of the frames, which fit their names and their brightness, and the error at the end."""
    names, error = [], None
    try:
        for each in source:
            assert abs(int(each.pixels.mean()) - frame(each.number).mean()) < 4
            assert each.name == source.name(each.number) == f'{source.folder}/{each.number:06d}'
            assert each.source is source
            names.append(each.number)
    except InputError as raised:
        error = str(raised)
    return names, error


@pytest.mark.parametrize('name', ['clip.avi', 'clip.mkv'])
def test_a_whole_video(clips, name):
    assert numbers(source_of(str(clips / name))) == (list(range(FRAMES)), None)


@pytest.mark.parametrize('name', ['clip.avi', 'clip.mkv'])
def test_a_video_that_is_cut_off_is_an_error_after_its_frames(clips, tmp_path, name):
    data = (clips / name).read_bytes()
    first, last = data.index(b'\xff\xd8\xff'), data.rindex(b'\xff\xd8\xff')
    (tmp_path / name).write_bytes(data[: (first + last) // 2])
    names, error = numbers(source_of(str(tmp_path / name)))
    assert names == list(range(len(names)))
    assert 0 < len(names) < FRAMES
    assert error.startswith(f'{tmp_path / name}: only {len(names)} of {FRAMES} frames could be read; ')


def damaged(clips, tmp_path, lost):
    """The video with zeros in place of some frames."""
    data = bytearray((clips / 'clip.avi').read_bytes())
    start = data.index(b'movi')
    for number in range(FRAMES):
        start = data.index(b'\xff\xd8\xff', start)
        end = data.index(b'\xff\xd9', start) + 2
        if number in lost:
            data[start:end] = bytes(end - start)
        start = end
    (tmp_path / 'clip.avi').write_bytes(data)
    return source_of(str(tmp_path / 'clip.avi'))


def test_a_damaged_frame_does_not_end_a_video(clips, tmp_path):
    names, error = numbers(damaged(clips, tmp_path, {10, 15}))
    assert names == [number for number in range(FRAMES) if number not in (10, 15)]
    assert f'only {FRAMES - 2} of {FRAMES} frames could be read' in error


@pytest.mark.parametrize('more', [2, 2**31 - 1 - FRAMES], ids=['a few', 'endless'])
def test_a_whole_video_that_states_too_many_frames_is_no_error(clips, tmp_path, more):
    data = bytearray((clips / 'clip.avi').read_bytes())
    for header, field in ((b'avih', 16), (b'strh', 32)):  # where the headers of an AVI state the number
        start = data.index(header) + 8 + field
        data[start : start + 4] = (FRAMES + more).to_bytes(4, 'little')
    (tmp_path / 'clip.avi').write_bytes(data)
    with pytest.warns(UserWarning, match=f'only {FRAMES} of {FRAMES + more} frames could be read: some are damaged, unless'):
        assert numbers(source_of(str(tmp_path / 'clip.avi'))) == (list(range(FRAMES)), None)


def test_a_video_without_a_readable_frame_is_an_error(clips, tmp_path):
    names, error = numbers(damaged(clips, tmp_path, range(FRAMES)))
    assert names == []
    assert f'only 0 of {FRAMES} frames' in error


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'nothing')
    with pytest.raises(InputError, match=r'a\.mp4: OpenCV cannot open it'):
        next(iter(source_of(str(tmp_path / 'a.mp4'))))


@pytest.mark.parametrize('name', ['2024-05-01T12:30:00.avi', '0'])
def test_a_video_may_have_any_name(clips, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes((clips / 'clip.avi').read_bytes())
    monkeypatch.chdir(tmp_path)
    source = source_of(name)
    assert source.label == name
    assert numbers(source) == (list(range(FRAMES)), None)


def test_a_video_that_is_missing_fails_alone(clips, tmp_path):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'gone.mp4').symlink_to(tmp_path / 'elsewhere.mp4')
    (tmp_path / 'list.txt').write_text(f'absent.avi\n{clips}/clip.avi\n')
    for source in (source_of(str(tmp_path / 'in')), sources_of([str(tmp_path / 'list.txt')])[0]):
        assert (source.live, source.count) == (False, None)
        assert numbers(source) == ([], f'{source.label}: there is no such video')


@pytest.mark.parametrize(
    'text',
    ['0', 'rtsp://robot/camera', 'videotestsrc ! videoconvert ! appsink', os.devnull],
    ids=['camera', 'url', 'pipeline', 'device'],
)
def test_opencv_is_asked_for_streams_and_devices_and_their_end_is_an_error(opened, text):
    source = source_of(text)
    frames = iter(source)
    assert source.live
    assert (source.rate, source.count) == (None, None)
    assert [next(frames).number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match=r': no more frames came after 3; to end earlier by intention, give --limit$'):
        next(frames)
    assert opened == [0 if text == '0' else text, 'released']


def test_a_video_over_http(clips):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(clips))
    handler.func.log_message = lambda *_: None
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = numbers(source_of(f'http://127.0.0.1:{server.server_port}/clip.avi'))
        server.shutdown()
    assert found == (list(range(FRAMES)), None)


def test_a_file_url(clips):
    assert numbers(source_of(f'file://{clips}/clip.avi'))[0] == list(range(FRAMES))


@pytest.mark.parametrize('name', ['a.webp', 'a.jfif', 'a.TIF', 'a.bmp', 'a.JPE', 'a.JPG'])
def test_an_image_is_never_given_to_the_video_reader(tmp_path, monkeypatch, name):
    monkeypatch.setattr(cv2, 'VideoCapture', None)
    write_image(tmp_path / name, frame(7))
    (found,) = source_of(str(tmp_path / name))
    assert found.name == 'a'
    assert np.abs(found.pixels.astype(int) - frame(7)).max() < 3


def test_a_picture_of_another_kind_is_an_error_and_no_video(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', None)
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic')
    (failure,) = source_of(str(tmp_path / 'a.heic'))
    assert failure.name == 'a.heic'
    assert str(failure.error).startswith(f'{tmp_path}/a.heic: not a readable image; give JPEG')


def test_a_bad_image_among_others_takes_its_place_as_an_error(tmp_path):
    for name in ('0.png', '2.png'):
        write_image(tmp_path / name, frame(3))
    (tmp_path / '1.png').write_bytes(b'bad')
    (tmp_path / '._0.png').write_bytes(b'of macOS')
    (tmp_path / 'notes.txt').touch()
    inputs = find([str(tmp_path)])
    assert inputs.left_out == {str(tmp_path): [tmp_path / 'notes.txt']}
    first, second, third = sources_in(inputs)[0]
    assert [each.name for each in (first, second, third)] == ['0', '1', '2']
    assert first.pixels.shape == third.pixels.shape == (48, 64, 3)
    assert isinstance(second, Failure)


def test_numbered_images_are_read_as_images_in_the_order_of_their_numbers(tmp_path):
    for name in ('f_8.png', 'f_9.png', 'f_10.png', 'g_1.png', 'f_x.png'):
        write_image(tmp_path / name, frame(1))
    source = source_of(str(tmp_path / 'f_%d.png'))
    assert isinstance(source, Images)
    assert source.moving
    assert [each.name for each in source] == ['f_8', 'f_9', 'f_10']
    with pytest.raises(InputError, match='no images have such names'):
        source_of(str(tmp_path / 'h_%04d.png'))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r'absent\.mp4: there is no such file; give an image'):
        source_of(str(tmp_path / 'absent.mp4'))
    with pytest.raises(InputError, match='there are no images or videos in this folder'):
        source_of(str(tmp_path))
    with pytest.raises(InputError, match='SOURCE is empty'):
        source_of('')


def test_a_video_whose_name_is_not_utf_8_is_refused(tmp_path):
    file = tmp_path / os.fsdecode(b'caf\xe9.mp4')
    file.touch()
    with pytest.raises(InputError, match='only names in UTF-8; rename it'):
        source_of(str(file))


def test_a_camera_is_a_number_unless_a_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(source_of('3'), Video)
    (tmp_path / '3').mkdir()
    write_image(tmp_path / '3' / 'a.png', frame(0))
    assert isinstance(source_of('3'), Images)


def test_rate_and_count_are_the_files(clips):
    source = source_of(str(clips / 'clip.avi'))
    assert (source.rate, source.count, source.live, source.moving) == (25, FRAMES, False, True)
    assert source_of(f'file://{clips}/clip.avi').live is False


def test_a_video_is_upright_by_its_rotation(tmp_path):
    """As of a telephone that was held upright; the matrix is where the specification of MP4 has it."""
    writer = cv2.VideoWriter(str(tmp_path / 'a.mp4'), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'mp4v'), 25, (64, 48))
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[:24, :32] = 255
    for _ in range(3):
        writer.write(corner)
    writer.release()
    data = bytearray((tmp_path / 'a.mp4').read_bytes())
    matrix = data.index(b'tkhd') + 44
    quarter = (0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    data[matrix : matrix + 36] = b''.join(number.to_bytes(4, 'big', signed=True) for number in quarter)
    (tmp_path / 'a.mp4').write_bytes(data)
    first = next(iter(source_of(str(tmp_path / 'a.mp4'))))
    assert first.pixels.shape == (64, 48, 3)
    assert first.pixels[:28, 28:].mean() > 250  # the upper right corner
    assert first.pixels[:28, :20].mean() < 5


@pytest.mark.parametrize(
    ('address', 'label'),
    [
        ('rtsp://user:secret@robot:554/camera', 'rtsp://robot:554/camera'),
        ('rtsp://user:se@cret@robot:554/camera', 'rtsp://robot:554/camera'),
        ('rtsp://user:sec/ret@robot/camera', 'rtsp://robot/camera'),
        ('rtsp://robot:554/live@1', 'rtsp://robot:554/live@1'),
        ('http://robot/?user=me&pwd=secret&channel=1', 'http://robot/?user=me&pwd=***&channel=1'),
        ('rtsp://robot/user=me_password=secret_channel=1', 'rtsp://robot/user=me_password=***_channel=1'),
        ('rtspsrc location=rtsp://robot/a user-pw=secret ! sink', 'rtspsrc location=rtsp://robot/a user-pw=*** ! sink'),
    ],
)
def test_a_password_is_in_no_message(address, label):
    source = Video(address)
    assert source.label == label
    assert 'secret' not in source.folder


def test_the_folder_of_a_stream_is_named_by_host_and_path():
    assert Video('rtsp://user:secret@robot:554/camera').folder == 'robot-camera'


def test_a_stream_that_breaks_ends_at_once_however_many_frames_it_states(monkeypatch):
    grabbed = []

    def grab(_):
        grabbed.append(1)
        return len(grabbed) <= 3

    def answer(value):
        return lambda *_: value

    does = dict(isOpened=answer(True), get=answer(10_000), set=answer(True), release=answer(None), grab=grab)
    does['retrieve'] = answer((True, np.zeros((2, 2, 3), np.uint8)))
    monkeypatch.setattr(cv2, 'VideoCapture', lambda *_: type('Stream', (), does)())
    frames = Video('rtsp://robot/camera').skim(lambda: len(grabbed) != 2)
    assert [frame and frame.number for frame in islice(frames, 3)] == [0, None, 2]
    with pytest.raises(InputError, match=r'^rtsp://robot/camera: no more frames came after 3'):
        next(frames)
    assert len(grabbed) == 4


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('977', '977: there is no camera of this number'),
        ('videotestsrc ! appsink', 'videotestsrc ! appsink: pipelines need an OpenCV that was built with GStreamer'),
        ('http://127.0.0.1:9/a', 'http://127.0.0.1:9/a: OpenCV cannot open it; check address'),
    ],
)
def test_why_a_live_source_cannot_be_opened(text, line):
    with pytest.raises(InputError, match=f'^{re.escape(line)}'):
        Video(text).open()


def names(*texts, **options):
    return [each.name for source in sources_of([str(text) for text in texts], **options) for each in source]


@pytest.fixture
def tree(tmp_path):
    """Images and a video in folders."""
    for name in ('a/1.png', 'a/2.png', 'a/deep/1.png', 'b/1.png', '.hidden/1.png', 'a/.2.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / name, frame(1))
    (tmp_path / 'a' / 'clip.mp4').touch()
    return tmp_path


def test_folders_are_mirrored_below_their_common_one(tree):
    assert names(tree / 'b') == ['1']
    assert [source.label for source in sources_of([str(tree / 'a')])] == ['images', str(tree / 'a' / 'clip.mp4')]
    images, video = sources_of([str(tree / 'a'), str(tree / 'b')])
    assert [images.name(number) for number in range(images.count)] == ['a/1', 'a/2', 'b/1']
    assert video.name(12) == 'a/clip/000012'


def test_deep_folders_only_if_asked(tree):
    assert [source.count for source in sources_of([str(tree)], recursive=True) if isinstance(source, Images)] == [4]
    images, video = sources_of([str(tree)], recursive=True)
    assert [each.name for each in images] == ['a/1', 'a/2', 'a/deep/1', 'b/1']
    assert video.folder == 'a/clip'
    with pytest.raises(InputError, match='no images or videos in this folder; with --recursive the folders in it are read too'):
        find([str(tree)])
    with pytest.raises(InputError, match='--recursive: no SOURCE is a folder'):
        find([str(tree / 'b' / '1.png')], recursive=True)


def test_patterns(tree):
    assert names(tree / '*' / '1.png') == ['a/1', 'b/1']
    assert names(tree / '**' / '1.png') == ['a/1', 'a/deep/1', 'b/1']
    assert names(tree / 'a' / '[12].png') == ['1', '2']
    with pytest.raises(InputError, match='there are no images or videos with such names'):
        find([str(tree / '*.jpg')])


def test_a_name_with_marks_is_a_file_before_it_is_a_pattern(tmp_path):
    write_image(tmp_path / 'a[1].png', frame(1))
    assert names(tmp_path / 'a[1].png') == ['a[1]']


def test_a_list_names_files_below_its_own_folder(tree, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp('elsewhere'))
    (tree / 'list.txt').write_text(f'\ufeffb/1.png\n\n{tree}/a/2.png\na/none.png\n', encoding='utf-8')
    first, second, missing = sources_of([str(tree / 'list.txt')])[0]
    assert [first.name, second.name, missing.name] == ['b/1', 'a/2', 'a/none']
    assert str(missing.error) == f'{tree}/a/none.png: there is no such image'
    for text, message in (('', 'names no files'), ('0', '0: a list names images and videos; give streams and cameras as')):
        (tree / 'list.txt').write_text(text)
        with pytest.raises(InputError, match=message):
            find([str(tree / 'list.txt')])
    (tree / 'list.txt').write_bytes('b/1.png'.encode('utf-16'))  # as PowerShell writes it
    with pytest.raises(InputError, match='this list is not in UTF-8; save it in UTF-8'):
        find([str(tree / 'list.txt')])


def test_a_file_that_is_named_twice_is_done_once(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert names(tree / 'b', tree / 'b' / '1.png', tree / 'b' / '*.png', 'b/1.png', 'a/../b/1.png') == ['1']


def test_numbered_images_are_done_once_in_their_sequence(tree, monkeypatch):
    monkeypatch.chdir(tree)
    sources = sources_of(['b', 'b/%d.png', './b/%d.png'])
    assert [(source.label, source.count) for source in sources] == [('b/%d.png', 1)]
    inputs = find(['b/1.png', 'a/1.png', 'b/1.png'])
    assert inputs.drop_repeated() == 1
    assert [file.as_posix() for file in inputs.images] == ['b/1.png', 'a/1.png']


def test_shards_share_out_all_files_under_the_names_that_they_have_together(tree):
    parts = [sources_of([str(tree)], recursive=True, shard=(number, 3)) for number in (1, 2, 3)]
    found = [[source.name(n) for n in range(source.count or 1)] for part in parts for source in part]
    assert found == [['a/1', 'a/deep/1'], ['a/2', 'b/1'], ['a/clip/000000']]
    assert sources_of([str(tree / 'b')], shard=(2, 2)) == []
    with pytest.raises(InputError, match='--shard: 0 cannot be shared out'):
        sources_of(['0'], shard=(1, 2))


def test_two_streams_of_one_name_have_two_folders():
    assert [source.folder for source in sources_of(['rtsp://a/x', 'rtsp://a/x', '0'])] == ['a-x', 'a-x-2', 'camera-0']
