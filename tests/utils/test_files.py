import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import alone_in, atomic_write, files_below, write_text
from mmseg_bisenet_lite.utils.scratch import scratch_folder


def test_a_failed_write_names_the_file_and_keeps_the_earlier_one(tmp_path):
    file = tmp_path / 'a.txt'
    write_text(file, 'old')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=r'a\.txt') as failed:
            write_text(file, 'new' * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert failed.value.errno == errno.EFBIG
    assert file.read_text() == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['a.txt']


@pytest.mark.parametrize('letter', ['a', '\u00e9'])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, letter):
    name = letter * (251 // len(letter.encode())) + '.txt'
    write_text(tmp_path / name, 'text')
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, 'fsync', lambda file: events.append('fsync') or fsync(file))
    monkeypatch.setattr(Path, 'replace', lambda *names: events.append('replace') or replace(*names))
    with atomic_write(tmp_path / 'a') as temporary:
        temporary.touch()
    assert events == ['fsync', 'replace']


def test_files_below_a_folder_that_are_not_hidden(tmp_path):
    folder = tmp_path / '.data'  # which the user names himself
    for name in ('b/2.json', 'a.json', '._a.json', 'b/.ipynb_checkpoints/2.json', 'c.png', 'd.json/e.png'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert [file.relative_to(folder).as_posix() for file in files_below(folder, '*.json')] == ['a.json', 'b/2.json']


def test_without_locks_of_the_system_a_folder_is_not_locked(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'fcntl', None)  # as on Windows
    with alone_in(tmp_path, 'lock') as one, alone_in(tmp_path, 'lock') as other, scratch_folder(tmp_path, '.made-') as folder:
        assert one is other is None
        assert folder.is_dir()
    assert [file.name for file in tmp_path.iterdir()] == ['lock']


def test_a_folder_has_one_writer_until_that_ends_however_it_ends(tmp_path):
    read, write = os.pipe()
    writer = os.fork()
    if not writer:
        try:
            with alone_in(tmp_path, 'lock'):
                if not os.fork():  # as a worker of a data loader, which outlives its parent
                    time.sleep(5)
                    os._exit(0)
                os.write(write, b'locked')
                time.sleep(30)
        finally:
            os._exit(1)
    assert os.read(read, 6) == b'locked'
    os.close(read)
    os.close(write)
    with pytest.raises(InputError, match=f'{tmp_path}: another process is training here'), alone_in(tmp_path, 'lock'):
        pass
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    with alone_in(tmp_path, 'lock'):
        pass


def test_a_process_that_inherits_the_lock_holds_it(tmp_path):
    with alone_in(tmp_path, 'lock') as lock:
        heir = subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=[lock], stdin=subprocess.PIPE)
    with pytest.raises(InputError, match='another process'), alone_in(tmp_path, 'lock'):
        pass
    heir.communicate(b'\n')
    with alone_in(tmp_path, 'lock'):
        pass


def test_a_lock_that_is_a_link_does_not_empty_its_target(tmp_path):
    (tmp_path / 'target').write_text('precious')
    (tmp_path / 'lock').symlink_to('target')
    with alone_in(tmp_path, 'lock'):
        pass
    assert (tmp_path / 'target').read_text() == 'precious'
