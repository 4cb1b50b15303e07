import re

import pytest
from PIL import Image

from mmseg_bisenet_lite.reproduce import Result, Run, draw, mean_over_drives, report
from mmseg_bisenet_lite.reproduce.config import DRIVES
from mmseg_bisenet_lite.reproduce.paper import ACCURACIES
from mmseg_bisenet_lite.reproduce.report import spread


def result(network, loss, target, seed, score):
    metrics = dict(aAcc=99.0, mIoU=score, fgIoU=score - 10, precision=80.0, recall=70.0, F1=75.0, boundaryIoU=40.0)
    curve = [(100, score - 9), (200, score)]
    return Result(Run(network, loss, target, seed), 200, metrics, curve, 'abc', {'torch': '2.13', 'device': 'cpu'})


DONE = [
    result(network, loss, target, seed, base + seed)
    for seed in (0, 1)
    for network, loss, target, base in (
        ('lite', 'ce', 'vehicle', 80),
        ('lite', 'hinge', 'vehicle', 83),
        ('r18', 'hinge', 'vehicle', 84),
        ('lite', 'hinge', 'human', 70),
        ('pidnet-s', 'own', 'vehicle', 85),
    )
]


def test_the_table_stands_beside_the_papers():
    tables, lines = report(DONE, {Run('r18', 'ce', 'human', 0): 'no memory'}, 'camvid')
    accuracy, claims, foreground = tables
    rows = {tuple(row[:3]): row[3:] for row in accuracy.rows}
    assert rows['vehicle', 'lite', 'hinge'] == ['83.50 ± 0.71', '2', '95.03']
    assert rows['vehicle', 'pidnet-s', 'own'] == ['85.50 ± 0.71', '2', '-']
    assert [row[2:] for row in claims.rows if row[:2] == ['hinge minus cross entropy', 'vehicle']] == [
        ['3.00 ± 0.00', '2', '+0.21']
    ]
    assert [row[2:] for row in claims.rows if row[:2] == ['lite minus ResNet-18', 'vehicle']] == [
        ['-1.00 ± 0.00', '2', '-1.37']
    ]
    assert len(claims.rows) == 2
    assert len(foreground.rows) == 5
    assert 'AP' not in foreground.columns
    assert any('r18_ce_human, seed 0, failed: no memory' in line for line in lines)
    assert any(line.endswith('r18_hinge_vehicle=84.50 pidnet-s=85.50') for line in lines)
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def left_out(drive, seed, loss, score, steps=(100, 200)):
    metrics = dict(mIoU=score, fgIoU=score - 10, AP=score + 5, bestF1=score + 1, F1=score)
    run = Run('lite', loss, 'vehicle', seed, drive)
    return Result(run, 200, metrics, [(step, score - 200 + step) for step in steps], 'abc', {'torch': '2.13', 'device': 'cpu'})


OF_DRIVES = [
    left_out(drive, seed, loss, score + seed + (3 if loss == 'hinge' else 0))
    for seed in (0, 2)
    for loss in ('ce', 'hinge')
    for drive, score in (('0001TP', 60), ('0006R0', 70), ('0016E5', 89))
]


def test_drives_have_a_table_and_the_others_are_of_their_mean():
    tables, lines = report(OF_DRIVES, {}, 'camvid', 'drives')
    drives, accuracy, claims, _ = tables
    assert drives.columns == ['target', 'model', 'loss', 'drive left out', 'IoU', 'AP', 'best F1', 'mIoU', 'seeds']
    rows = {tuple(row[2:4]): row[4:] for row in drives.rows}
    assert [row[3] for row in drives.rows] == ['0001TP', '0006R0', '0016E5', 'mean'] * 2
    assert rows['ce', '0001TP'] == ['51.00 ± 1.41', '66.00 ± 1.41', '62.00 ± 1.41', '61.00 ± 1.41', '2']
    assert rows['hinge', 'mean'] == ['67.00 ± 1.41', '82.00 ± 1.41', '78.00 ± 1.41', '77.00 ± 1.41', '2']
    assert {tuple(row[:3]): row[3:5] for row in accuracy.rows}['vehicle', 'lite', 'ce'] == ['74.00 ± 1.41', '2']
    assert claims.rows == [['hinge minus cross entropy', 'vehicle', '3.00 ± 0.00', '2', '+0.21']]
    assert 'on the camvid drives left out, mean over the drives' in lines[0]


def test_a_mean_lacks_no_drive():
    missing = OF_DRIVES[0].run
    tables, lines = report(OF_DRIVES[1:], {missing: 'no memory'}, 'camvid', 'drives')
    rows = {tuple(row[2:4]): row[4:] for row in tables[0].rows}
    assert '0001TP' in {drive for _, drive in rows}
    assert rows['ce', '0001TP'][-1] == rows['ce', 'mean'][-1] == '1'
    assert rows['ce', 'mean'][-2] == '75.00'
    assert any('lite_ce_vehicle without 0001TP, seed 0, failed: no memory' in line for line in lines)
    alone, _ = report(OF_DRIVES[:1], {}, 'camvid', 'drives')
    assert [row[3] for row in alone[0].rows] == ['0001TP']
    assert len(alone) == 1


def test_the_mean_curve_has_the_iterations_of_all_drives():
    curves = [left_out('0001TP', 0, 'ce', 60), left_out('0006R0', 0, 'ce', 70), left_out('0016E5', 0, 'ce', 80, (200,))]
    (mean,) = mean_over_drives(curves, DRIVES['camvid'])
    assert mean.curve == [(200, 70)]
    assert mean.run == Run('lite', 'ce', 'vehicle', 0)
    assert mean_over_drives(DONE, (None,)) == DONE


def test_without_results_there_are_no_tables():
    assert report([], {}, 'camvid')[0] == []


def test_one_seed_has_no_spread():
    assert spread([80.0]) == '80.00'
    assert spread([80.0, 82.0, 84.0]) == '82.00 ± 2.00'


def test_the_papers_numbers(root):
    paper = root.parent / 'shared' / 'PAPER.md'
    if not paper.is_file():
        pytest.skip("the paper's tables are not beside the checkout")
    rows = re.findall(r'\| (lite|ResNet-18) \| (cross entropy|hinge) \| ([\d.-]+) \| ([\d.-]+) \|', paper.read_text())
    found = {
        ({'ResNet-18': 'r18'}.get(network, network), {'cross entropy': 'ce'}.get(loss, loss), target): float(value)
        for network, loss, *values in rows
        for target, value in zip(('human', 'vehicle'), values, strict=True)
        if value != '-'
    }
    assert found == ACCURACIES


def test_the_curves_are_drawn(tmp_path):
    draw(DONE, 'camvid', tmp_path / 'curves.png')
    with Image.open(tmp_path / 'curves.png') as picture:
        assert picture.width > 2 * picture.height
        assert len(picture.convert('RGB').resize((400, 150)).getcolors(1 << 20)) > 50
    assert [file.name for file in tmp_path.iterdir()] == ['curves.png']
