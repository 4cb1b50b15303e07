import io

import pytest
from rich.console import Console

from mmseg_bisenet_lite.deploy.predict import progress
from mmseg_bisenet_lite.deploy.predict.meter import Meter
from mmseg_bisenet_lite.deploy.predict.progress import duration, shown


def test_a_log_gets_a_line_now_and_then(capsys):
    now = [0.0]
    meter = Meter(lambda: now[0])
    with shown(meter, 100, lambda: now[0]) as tick:
        for _ in range(70):
            now[0] += 1
            meter.done += 1
            tick()
    first, second = capsys.readouterr().err.splitlines()
    assert first == '30 of 100 frames, 0 failed; 1.0 frames a second, bottleneck: network, 1 min 10 s left'
    assert second.startswith('60 of 100 frames')


def test_a_terminal_gets_a_bar(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, 'Console', lambda **_: Console(file=screen, force_terminal=True, width=200))
    now = [0.0]
    meter = Meter(lambda: now[0])
    with shown(meter, 4, lambda: now[0]) as tick:
        for _ in range(2):
            now[0] += 1
            meter.done += 1
            tick()
    assert '2/4' in screen.getvalue()
    assert '1.0 frames a second, bottleneck: network, 2 s left' in screen.getvalue()


@pytest.mark.parametrize(('seconds', 'text'), [(0.2, '0 s'), (59.7, '1 min 00 s'), (185, '3 min 05 s'), (3720, '1 h 02 min')])
def test_durations(seconds, text):
    assert duration(seconds) == text
