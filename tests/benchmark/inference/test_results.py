import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_bisenet_lite.benchmark.energy import Energy
from mmseg_bisenet_lite.benchmark.inference.plot import _accuracy_figure, check_picture, front, plot
from mmseg_bisenet_lite.benchmark.inference.report import report
from mmseg_bisenet_lite.benchmark.inference.results import Ceilings, Results, Row, check_accuracies, load, with_accuracy
from mmseg_bisenet_lite.benchmark.inference.roofline import Operation
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.tables import markdown_tables, numbered

SETTINGS = dict(scopes=['forward', 'frame'], batch=1, engines=['eager'], cuda_graph=False, keep_memory=True)
ENVIRONMENT = dict(device='A device', device_type='cpu', threads=2, cpu_capability='AVX512', torch='2', commit='abc', host=None)


def row(model, paper, seconds, size=(640, 360), scope='forward', precision='fp32', **kwargs):
    rounds = [[seconds * factor] for factor in (1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.0)]
    defaults = dict(
        engine='eager',
        config=f'{model}.py',
        checkpoint=None,
        batch=1,
        parameters=2_790_000,
        operations=[Operation(10**9, 10**6), Operation(0, 10**8)],
        warm_up=[[1.0]],
        settled=True,
        peak_bytes=50 << 20,
        changed=0.0,
    )
    return Row(model=model, paper=paper, scope=scope, precision=precision, size=size, rounds=rounds, **{**defaults, **kwargs})


@pytest.fixture
def results():
    rows = [
        row('resnet', 'r18', 0.15),
        row('lite', 'lite', 0.1),
        row('resnet', 'r18', 0.03, precision='bf16'),
        row('lite', 'lite', 0.01, precision='bf16', settled=False),
        row('resnet', 'r18', 0.2, scope='frame'),
        row('lite', 'lite', 0.1, scope='frame'),
        row('resnet', 'r18', 0.4, size=(50, 70)),
        row('lite', 'lite', 0.1, size=(50, 70)),
    ]
    ceilings = Ceilings(flops={'fp32': 1e11, 'bf16': 1e12}, bandwidth=1e10)
    return Results(dict(ENVIRONMENT), dict(SETTINGS), ceilings, rows, ['A note.'])


def cells(table):
    return [dict(zip(table.columns, cells, strict=True)) for cells in table.rows]


def test_shares_of_the_limits(results):
    slow = results.rows[0]
    assert results.flops(slow) == pytest.approx(1e9 / 0.15)
    assert results.share_of_roofline(slow) == pytest.approx((0.01 + 0.01) / 0.15)  # each operator at its own limit
    assert slow.fps == pytest.approx(1 / 0.15)
    assert row('a', None, 0.1, batch=4).fps == pytest.approx(40)
    assert row('a', None, 0.1, batch=4).macs == 10**9 // 8


def test_ratios_are_to_the_first_of_size_and_scope(results):
    speed = [table for table in report({'run': results})[0] if table.title.startswith('speed')]
    assert [table.title for table in speed] == ['speed, forward', 'speed, frame']
    forward = cells(speed[0])
    assert [row['speedup [95 %]'][:4] for row in forward if row['size'] == '640x360'] == ['1', '1.50', '5.00', '15.0']
    assert [row['speedup [95 %]'][:4] for row in forward if row['size'] == '50x70'] == ['1', '4.00']
    assert [row['speedup [95 %]'][:4] for row in cells(speed[1])] == ['1', '2.00']
    assert forward[3]['model'] == 'lite *'
    assert forward[1]['ms'] == '100'


def test_the_papers_table(results):
    tables = [table for table in report({'run': results})[0] if table.title.startswith("the paper's")]
    single, half = map(cells, tables)
    assert [row['size'] for row in single] == ['640x360', '50x70']
    # The same eight ratios in each round: all are 1.5.
    assert single[0]['ratio [95 %]'] == '1.50 [1.50, 1.50]'
    assert single[0]['Jetson TX2'] == '1.43'
    assert single[1]['Jetson TX2'] == '-'
    assert half[0]['ratio [95 %]'] == '3.00 [3.00, 3.00]'
    others = Results(ENVIRONMENT, SETTINGS, results.ceilings, [row('a', None, 1), row('lite', 'lite', 1)], [])
    assert not any(table.title.startswith("the paper's") for table in report({'run': others})[0])


def test_rows_of_other_engines(results):
    """Of an exported file no operators are known, and of int8 no limit."""
    exported = row('lite', 'lite', 0.02, scope='frame', precision='int8', engine='openvino', peak_bytes=None)
    results.rows.append(exported)
    assert exported.way == 'int8, openvino'
    assert results.rows[0].way == 'fp32'
    assert results.share_of_roofline(exported) is None
    tables = report({'run': results})[0]
    last = cells(next(table for table in tables if table.title == 'speed, frame'))[-1]
    assert (last['engine'], last['precision'], last['speedup [95 %]'][:4]) == ('openvino', 'int8', '10.0')
    work = next(row for row in cells(next(t for t in tables if t.title == 'compute and memory')) if row['engine'] == 'openvino')
    assert (work['of peak'], work['of roofline'], work['MiB'], work['GMAC']) == ('-', '-', '-', '0.50')


def test_the_papers_table_is_of_one_engine(results):
    results.rows += [row('resnet', 'r18', 0.1, engine='compile'), row('lite', 'lite', 0.05, engine='compile')]
    titles = [table.title for table in report({'run': results})[0] if table.title.startswith("the paper's")]
    assert [title.split(':')[0] for title in titles] == [
        f"the paper's table, {way}" for way in ('fp32', 'bf16', 'fp32, compile')
    ]


def test_energy_and_accuracy_have_columns_where_there_are_any(results):
    def work():
        return next(table for table in report({'run': results})[0] if table.title == 'compute and memory')

    assert 'mJ/image' not in work().columns
    assert 'mIoU' not in work().columns
    results.rows[0].energy = Energy(0.5, 80)
    with_accuracy(results.rows, {'lite': 83.25})
    first, second = cells(work())[:2]
    assert (first['mJ/image'], first['W']) == ('500', '80.0')
    assert (first['mIoU'], second['mIoU'], second['W']) == ('-', '83.25', '-')
    named = next(table for table in report({'run': results}, 'AP')[0] if table.title == 'compute and memory')
    assert cells(named)[1]['AP'] == '83.25'


def test_accuracies_are_percentages_of_models_that_are_there():
    check_accuracies({'lite': 80.0}, ['lite', 'resnet'])
    with pytest.raises(InputError, match=r'--accuracy light=80.0: there is no such model; choose from lite, resnet'):
        check_accuracies({'light': 80.0}, ['resnet', 'lite', 'lite'])
    with pytest.raises(InputError, match=r'--accuracy lite=800.0: give it in %'):
        check_accuracies({'lite': 800.0}, ['lite'])


def test_what_is_saved_is_read_again(results, tmp_path):
    results.rows[0].energy = Energy(0.5, 80)
    results.save(tmp_path / 'run.json')
    assert load(tmp_path / 'run.json') == results
    assert [path.name for path in tmp_path.iterdir()] == ['run.json']
    entry = json.loads((tmp_path / 'run.json').read_text())['rows'][1]
    assert entry['summary']['fps'] == pytest.approx(10)
    assert np.median(entry['rounds']) == pytest.approx(entry['summary']['median'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'cannot be read: No such file'),
        ('{', 'not a JSON file'),
        ('[]', 'not a benchmark result'),
        ('{"format": 1}', 'not a benchmark result in format 2'),
        ('{"format": 2, "rows": []}', 'an incomplete benchmark result'),
        ('{"format": 2, "rows": [{"size": 3}], "ceilings": {}}', 'an incomplete benchmark result'),
    ],
)
def test_other_files_are_refused(content, message, tmp_path):
    path = tmp_path / 'run.json'
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=rf'run\.json: {message}'):
        load(path)


def test_a_failed_save_leaves_the_old_file(results, tmp_path):
    path = tmp_path / 'run.json'
    results.save(path)
    before = path.read_text()
    results.notes.append(object())
    with pytest.raises(TypeError):
        results.save(path)
    assert path.read_text() == before


def test_runs_side_by_side(results):
    faster = Results(ENVIRONMENT, SETTINGS, results.ceilings, [row('resnet', 'r18', 0.06), row('lite', 'lite', 0.02)], [])
    tables, lines = report({'here': results, 'there': faster})
    both = next(table for table in tables if table.title == 'FPS of the runs')
    assert both.columns[-2:] == ['here', 'there']
    assert cells(both)[1] | {} == dict(
        size='640x360', model='lite', engine='eager', precision='fp32', scope='forward', here='10.0', there='50.0'
    )
    assert cells(both)[2]['there'] == '-'
    papers = cells(next(table for table in tables if table.title.startswith("the paper's table, fp32")))
    assert papers[0]['ratio [95 %] (there)'] == '3.00 [3.00, 3.00]'
    assert papers[1]['lite (there)'] == '-'
    assert any(line.startswith('there: A device') for line in lines)
    assert numbered(['tx2', 'tx2', 'xavier']) == ['tx2', 'tx2#2', 'xavier']


def test_markdown_is_a_table_to_markdown_readers(results):
    text = markdown_tables(*report({'run': results}))
    header, rule, first = text.split('\n\n')[1].splitlines()[:3]
    assert header.count('|') == rule.count('|') == first.count('|')
    assert set(rule) <= set('|:- ')
    assert '- A note.' in text
    assert '- * 1 row(s)' in text


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_no_point_of_the_front_is_beaten_and_every_other_is(points):
    best = front(points)
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in pairwise(best))  # a faster one is less accurate
    for point in points:
        assert any(each[0] >= point[0] and each[1] >= point[1] for each in best)
        assert point in best or any(np.greater_equal(each, point).all() and each != point for each in best)


def test_the_picture_names_the_metric(results):
    with_accuracy(results.rows, {'lite': 83.0})
    (axes,) = _accuracy_figure({'run': results}, 'AP').axes
    assert axes.get_ylabel() == 'AP (%)'


def test_pictures(results, tmp_path):
    assert plot({'run': results}, tmp_path / 'speed.png') == [tmp_path / 'speed.png']
    with_accuracy(results.rows, {'lite': 83.0})
    written = plot({'run': results, 'other': results}, tmp_path / 'speed.svg')
    assert [path.name for path in written] == ['speed.svg', 'speed_accuracy.svg']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['speed.png', 'speed.svg', 'speed_accuracy.svg']
    assert (tmp_path / 'speed.png').read_bytes().startswith(b'\x89PNG')
    with pytest.raises(InputError, match=r'speed\.docx: give a file name that ends in one of .*png'):
        check_picture(tmp_path / 'speed.docx')
