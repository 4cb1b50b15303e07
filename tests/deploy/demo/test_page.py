"""The page in headless Chromium, served by a process of its own; skipped where Gradio or a browser is missing."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.utils.images import write_image

pytestmark = pytest.mark.slow

# The server with a network that finds what is bright.
SERVER = """
import sys
import time
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from mmseg_bisenet_lite.deploy import Metadata
from mmseg_bisenet_lite.deploy.demo.model import Model
from mmseg_bisenet_lite.deploy.demo.server import serve
from mmseg_bisenet_lite.utils.console import one_line_errors

fakes = run_path(sys.argv[1])


class Slow(fakes['Stub']):
    def with_margin(self, frame):
        time.sleep(2)
        return super().with_margin(frame)


values = dict(
    classes=('background', 'vehicle'), palette=((0, 0, 0), (0, 0, 142)), size=None, batch=None, precision='fp32', margin=True,
    config='a.py', commit=None, weights_sha256='0' * 64, version='0.1.0',
)
models = {
    'bright': Model('bright', fakes['Stub'](fakes['Calibrated'](**values, best_threshold=1.5))),
    'slow': Model('slow', Slow(fakes['Calibrated'](**values))),
    'no margin': Model('no margin', fakes['Stub'](Metadata(**{**values, 'margin': False}))),
}
with one_line_errors():
    serve(models, '127.0.0.1', int(sys.argv[2]), 4, 1)
"""


@pytest.fixture(scope='module')
def server(tmp_path_factory, root):
    """Address of a running server, its process, and the folder for its temporary files."""
    pytest.importorskip('gradio', minversion='6', reason="Gradio 6 is not installed: pip install '.[demo]'")
    folder = tmp_path_factory.mktemp('demo')
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, 'TMPDIR': str(folder), 'PYTHONPATH': str(root)}
    fakes = Path(__file__).with_name('conftest.py')
    process = subprocess.Popen(
        [sys.executable, '-c', SERVER, fakes, str(port)],
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=(folder / 'errors.txt').open('w'),
    )
    line = process.stdout.readline()
    assert line.startswith(f'open http://127.0.0.1:{port} '), (folder / 'errors.txt').read_text()
    yield f'http://127.0.0.1:{port}', process, folder
    process.kill()
    process.wait()


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api', reason='Playwright, which drives the browser, is not installed')
    program = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if program is None:
        pytest.skip('there is no Chromium to open the page in')
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(params=[1400, 390])
def page(request, browser, server):
    """The page, on a wide and a narrow window; nothing may be asked of another machine."""
    context = browser.new_context(viewport={'width': request.param, 'height': 800})
    page = context.new_page()
    asked = []
    page.on('request', lambda each: asked.append(each.url))
    page.goto(server[0])
    page.wait_for_selector('input[type=file]', state='attached')
    yield page
    assert page.evaluate('document.documentElement.scrollWidth') <= request.param  # nothing sticks out
    assert {url for url in asked if not url.startswith((server[0], 'data:', 'blob:'))} == set()
    context.close()


def segment(page, file):
    """Upload a file; returns the text that appears."""
    page.set_input_files('input[type=file]', file)
    result = page.get_by_label('Result')
    page.wait_for_function('box => box.value', arg=result.element_handle(), timeout=60_000)
    return result.input_value()


@pytest.fixture
def picture(tmp_path):
    """An image whose right half is bright."""
    pixels = np.zeros((40, 64, 3), np.uint8)
    pixels[:, 32:] = 240
    write_image(tmp_path / 'half.png', pixels)
    return tmp_path / 'half.png'


def test_an_image_is_segmented_as_soon_as_it_is_dropped(page, picture):
    text = segment(page, picture)
    assert re.fullmatch(
        r'64x40 pixels\. Foreground \(vehicle\): 50\.0 % of the image\. Threshold: 0\.00\. Network: [\d.]+ ms\.', text
    )
    page.wait_for_function("[...document.querySelectorAll('img')].filter(each => each.naturalWidth == 64).length == 3")


def test_a_bad_upload_is_one_line_in_the_page_without_the_servers_paths(page, tmp_path):
    (tmp_path / 'bad.jpg').write_bytes(b'\xff\xd8\xff\xe0' + bytes(50))
    text = segment(page, tmp_path / 'bad.jpg')
    assert text.startswith('Error: bad.jpg: not a readable image')
    assert '/' not in text


def test_a_network_without_margin_has_no_threshold_to_choose(page, picture):
    page.get_by_label('Model').click()
    page.get_by_role('option', name='no margin').click()
    page.wait_for_selector('text=needs a file exported with --margin')
    assert page.locator('input[type=range]').is_disabled()
    assert page.get_by_label('Stabilise').is_disabled()
    assert 'No confidence: the file was exported without the margin' in segment(page, picture)


def test_a_video_comes_back_as_one_that_the_browser_plays(page, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'a.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    for _ in range(6):
        writer.write(np.full((48, 64, 3), 200, np.uint8))
    writer.release()
    text = segment(page, tmp_path / 'a.mp4')
    assert text.startswith('4 frames of 64x48 pixels, 10 a second. Foreground (vehicle): 100.0 %')
    assert 'Only the first 4 frames are done' in text
    ready = "[...document.querySelectorAll('video')].filter(each => each.readyState >= 2 && each.videoWidth == 64).length == 3"
    page.wait_for_function(ready, timeout=60_000)


def test_stop_ends_a_video_and_shows_what_was_done(page, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'a.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    for _ in range(4):
        writer.write(np.full((48, 64, 3), 200, np.uint8))
    writer.release()
    page.get_by_label('Model').click()
    page.get_by_role('option', name='slow').click()
    page.set_input_files('input[type=file]', tmp_path / 'a.mp4')
    page.wait_for_selector('text=Frame 1')
    page.get_by_role('button', name='Stop').click()
    result = page.get_by_label('Result')
    page.wait_for_function('box => box.value', arg=result.element_handle(), timeout=60_000)
    assert re.match(r'[123] frames of 64x48 pixels.*Stopped early: Stop was pressed\.', result.input_value())


def test_no_run_is_kept_in_the_browser(server):
    assert json.loads(status(f'{server[0]}/config')[1]).get('run_history', False) is False


def status(url, data=None, **headers):
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_no_file_of_the_machine_can_be_read(server, root):
    address, _, folder = server
    (folder / 'secret.txt').write_text('secret')
    (cache,) = folder.glob('bisenet-lite-demo-*')
    files = ['/etc/passwd', root / 'pyproject.toml', 'pyproject.toml', '../pyproject.toml', folder / 'secret.txt']
    files += [f'{cache}/../secret.txt', f'{cache}/results/..%2f..%2fsecret.txt', f'{cache}%2f..%2fsecret.txt']
    for prefix in ('gradio_api/file=', 'file=', 'gradio_api/file/', 'static/', 'assets/'):
        for file in files:
            code, content = status(f'{address}/{prefix}{file}')
            assert code in (400, 403, 404, 405), (prefix, file)
            assert b'secret' not in content.replace(b'secret.txt', b'')
            assert b'root:' not in content


def test_no_file_of_the_machine_can_be_given_as_an_upload(server):
    address, _, _ = server
    config = json.loads(status(f'{address}/config')[1])
    (number,) = {each['id'] for each in config['dependencies'] if len(each['inputs']) == 5}
    upload = {'path': '/etc/passwd', 'orig_name': 'a.png', 'meta': {'_type': 'gradio.FileData'}}
    body = json.dumps({'data': [upload, 'bright', 0.0, False, None], 'fn_index': number, 'session_hash': 'abc'}).encode()
    code, _ = status(f'{address}/gradio_api/queue/join', body, **{'Content-Type': 'application/json'})
    if code == 200:
        answers = status(f'{address}/gradio_api/queue/data?session_hash=abc')[1].decode()
        assert '"success":false' in answers.replace(' ', '')
        assert 'root:' not in answers


def test_a_page_of_others_cannot_reach_it_under_a_name_of_its_own(server):
    assert status(server[0], Host='attacker.example')[0] == 400


def test_a_large_upload_is_refused(server):
    data = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(2**20 + 10) + b'\r\n--x--\r\n'
    )
    code, _ = status(f'{server[0]}/gradio_api/upload', data, **{'Content-Type': 'multipart/form-data; boundary=x'})
    assert code == 413


def test_at_the_end_nothing_is_left_behind(server):
    """The last test of this file, since it ends the server."""
    _, process, folder = server
    assert list(folder.glob('bisenet-lite-demo-*'))
    process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    assert process.wait(timeout=60) == 143
    assert time.monotonic() - start < 30
    assert {each.name for each in folder.iterdir()} <= {'errors.txt', 'secret.txt'}  # the tests' own
    errors = (folder / 'errors.txt').read_text()
    assert errors.splitlines()[-1].endswith(': terminated')
    assert 'KeyboardInterrupt' not in errors  # but the job that gave a file of the machine left a traceback
