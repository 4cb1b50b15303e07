import re

import pytest
from PIL import Image

from mmseg_bisenet_lite.reproduce import Result, Run, draw, report
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
