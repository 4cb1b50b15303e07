from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from PIL import Image

from mmseg_bisenet_lite.benchmark.inference import Results as Speeds
from mmseg_bisenet_lite.benchmark.inference.results import Row
from mmseg_bisenet_lite.search import Result, draw, report
from mmseg_bisenet_lite.search.front import fronts
from mmseg_bisenet_lite.utils.errors import InputError


def result(name, seed, ap):
    """AP on four sets whose mean is ``ap``."""
    scores = {
        target: {drive: dict(AP=ap + one + other, fgIoU=ap / 2) for drive, one in (('0001TP', -3), ('0006R0', 3))}
        for target, other in (('vehicle', 20), ('human', -20))
    }
    return Result(name, seed, 300, scores, 'abc', {'torch': '2.13', 'device': 'cpu'})


def row(name, precision, seconds):
    rounds = [[seconds] * 5] * 5
    return Row(
        name,
        f'{name}.py',
        None,
        None,
        'frame',
        precision,
        'openvino',
        (64, 32),
        1,
        2_000_000,
        [],
        rounds,
        rounds,
        True,
        None,
        0.0,
    )


RESULTS = [result(name, seed, ap + seed) for seed in (0, 2) for name, ap in (('a', 40), ('b', 50), ('c', 45))]
# In float32 c is slower and worse than b; in int8, c is the fastest.
TIMES = {'fp32': {'a': 0.01, 'b': 0.02, 'c': 0.03}, 'int8': {'a': 0.01, 'b': 0.02, 'c': 0.005}}
SPEEDS = Speeds(
    {'device': 'a CPU', 'threads': 2}, {}, rows=[row(name, way, t) for way, times in TIMES.items() for name, t in times.items()]
)


def test_the_front_is_what_no_other_beats_in_both():
    found = fronts(RESULTS, SPEEDS)
    assert {way: [name for name, point in points.items() if point[2]] for way, points in found.items()} == {
        'fp32, openvino': ['a', 'b'],
        'int8, openvino': ['b', 'c'],
    }
    assert found['fp32, openvino']['b'][:2] == (pytest.approx(50), 51)


def test_the_tables_tell_means_seeds_and_ratios():
    tables, lines = report(RESULTS, SPEEDS, ['d, seed 0, failed: no memory'])
    speed, ap, iou = tables
    rows = {(way, name): rest for way, name, *rest in speed.rows}
    assert rows['fp32, openvino', 'a'] == ['2.00', '0.00', '41.0 ± 1.4', '100.0', '1', '*']
    assert rows['fp32, openvino', 'c'] == ['2.00', '0.00', '46.0 ± 1.4', '33.3', '0.33 [too few rounds]', '']
    assert rows['int8, openvino', 'c'] == ['2.00', '0.00', '46.0 ± 1.4', '200.0', '2.00 [too few rounds]', '*']
    assert speed.sections == {0, 3}
    assert ap.columns == [
        'model',
        'vehicle, 0001TP',
        'vehicle, 0006R0',
        'human, 0001TP',
        'human, 0006R0',
        'mean',
        'of each seed',
    ]
    assert ap.rows[1] == ['b', '68.0 ± 1.4', '74.0 ± 1.4', '28.0 ± 1.4', '34.0 ± 1.4', '51.0 ± 1.4', '50.0, 52.0']
    assert iou.rows[1][-2:] == ['25.5 ± 0.7', '25.0, 26.0']
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert 'd, seed 0, failed: no memory' in lines
    assert any('300 iterations' in line for line in lines)
    assert any('at 64x32, and its ratio to a, in one run, on a CPU, 2 threads' in line for line in lines)


def test_what_was_not_timed_in_a_way_has_no_speed_there():
    speeds = Speeds(
        SPEEDS.environment, {}, rows=[each for each in SPEEDS.rows if (each.model, each.precision) != ('b', 'int8')]
    )
    (speed, *_), _ = report(RESULTS, speeds, [])
    assert [row[:2] for row in speed.rows][3:] == [['int8, openvino', 'a'], ['int8, openvino', 'c']]
    speeds = Speeds(
        SPEEDS.environment, {}, rows=[each for each in SPEEDS.rows if (each.model, each.precision) != ('a', 'int8')]
    )
    (speed, *_), _ = report(RESULTS, speeds, [])
    assert [(row[1], row[6]) for row in speed.rows][3:] == [('b', '-'), ('c', '-')]  # its reference has no speed
    assert report([], None, ['a, seed 0, failed: no memory']) == ([], ['a, seed 0, failed: no memory'])


def test_a_speed_that_had_not_settled_is_told():
    rows = [replace(each, settled=each.model != 'a') for each in SPEEDS.rows]
    _, lines = report(RESULTS, Speeds(SPEEDS.environment, {}, rows=rows), [])
    assert any(line.startswith('2 speed(s) had not settled') for line in lines)


def test_a_network_has_one_colour_in_all_panels(tmp_path, monkeypatch):
    """Also where another one is missing in a panel."""
    drawn = []
    monkeypatch.setattr(Axes, 'scatter', lambda axes, x, y, color=None, **look: drawn.append((y[0], color)))
    rows = [each for each in SPEEDS.rows if (each.model, each.precision) != ('a', 'int8')]
    draw(RESULTS, Speeds(SPEEDS.environment, {}, rows=rows), tmp_path / 'a.png')
    assert len(drawn) == 5
    assert len(set(drawn)) == 3


def test_the_picture_has_a_panel_for_each_way(tmp_path):
    draw(RESULTS, SPEEDS, tmp_path / 'two.png')
    draw(RESULTS, Speeds(SPEEDS.environment, {}, rows=SPEEDS.rows[:3]), tmp_path / 'one.png')
    with Image.open(tmp_path / 'one.png') as one, Image.open(tmp_path / 'two.png') as two:
        assert two.width > 1.3 * one.width


def test_results_are_read_as_they_were_written(tmp_path):
    RESULTS[0].save(tmp_path / 'a.json')
    assert Result.load(tmp_path / 'a.json') == RESULTS[0]
    for text in ('', '{}', '[]', '{"candidate": "a"}', '{"candidate": "a", "scores": {}}'):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(InputError, match=r'a\.json: not a result of tools/search'):
            Result.load(tmp_path / 'a.json')
