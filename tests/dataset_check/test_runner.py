"""Each kind of finding, in small data sets that have it, and the files of a check."""

import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.dataset_check import CheckConfig, check_dataset
from mmseg_bisenet_lite.dataset_check.runner import ahead
from mmseg_bisenet_lite.utils.errors import InputError


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def photograph(seed, size=(64, 48)):
    """Coarse noise, unlike that of any other seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


def mask(share=0.25, value=255):
    pixels = np.zeros((48, 64), np.uint8)
    pixels[:, : round(64 * share)] = value
    return pixels


@pytest.fixture
def data(tmp_path):
    """A folder without a fault: 4 photographs for train, 2 for val."""
    for split, seeds in (('train', range(4)), ('val', range(10, 12))):
        for seed in seeds:
            write(tmp_path / 'data' / split / f'{seed}.png', photograph(seed))
            write(tmp_path / 'data' / f'{split}annot' / f'{seed}.png', mask())
    return tmp_path / 'data'


def check(source, out=None):
    result, _ = check_dataset(CheckConfig(source, out, workers=2, similar=False))
    return result


def found(source):
    """Kind, split and name of the file of each finding."""
    return [(each.kind, each.split, Path(each.file).name) for each in check(source).findings]


def config_of(data, tmp_path, kind='BinarySegDataset', **options):
    """A config with train and val; the test set is that of val."""
    lines = ["custom_imports = dict(imports=['mmseg_bisenet_lite'], allow_failed_imports=False)", "default_scope = 'mmseg'"]
    for split in ('train', 'val'):
        dataset = dict(
            type=kind,
            data_root=str(data),
            data_prefix=dict(img_path=split, seg_map_path=f'{split}annot'),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
            **options,
        )
        lines.append(f'{split}_dataloader = dict(dataset={dataset!r})')
    lines.append('test_dataloader = val_dataloader')
    (tmp_path / 'config.py').write_text('\n'.join(lines))
    return tmp_path / 'config.py'


def test_nothing_is_wrong_with_a_good_folder(data):
    result = check(data)
    assert (result.findings, result.failed) == ([], False)
    assert [(split.name, split.photographs, split.masks, split.foreground) for split in result.splits] == [
        ('train', 4, 4, 0.25),
        ('val', 2, 2, 0.25),
    ]


def test_masks_of_0_and_1_are_known_by_their_looks(data):
    for file in data.glob('*annot/*.png'):
        write(file, mask(0.5, 1))
    result = check(data)
    assert (result.findings, result.splits[0].foreground) == ([], 0.5)


def test_every_fault_of_a_file_is_found_in_one_run(data, tmp_path):
    (data / 'trainannot' / '0.png').unlink()
    (data / 'train' / '1.png').write_bytes((data / 'train' / '1.png').read_bytes()[:-40])
    (data / 'trainannot' / '2.png').write_bytes(b'')
    write(data / 'trainannot' / '3.png', mask()[:40])
    write(data / 'trainannot' / 'extra.png', mask())
    write(data / 'valannot' / '10.png', mask(value=7))
    write(data / 'val' / '12.png', photograph(12))
    write(data / 'valannot' / '12.png', mask(0))
    result = check(data, tmp_path / 'out')  # what cannot be read is on no contact sheet
    assert sorted((each.kind, each.split, Path(each.file).name) for each in result.findings) == [
        ('mask is missing', 'train', '0.png'),
        ('mask is not used', 'train', 'extra.png'),
        ('mask is unreadable', 'train', '2.png'),
        ('masks are not understood', 'val', 'data'),
        ('no foreground', 'val', '12.png'),
        ('photograph is unreadable', 'train', '1.png'),
        ('sizes differ', 'train', '3.png'),
        ('values of no class', 'val', '10.png'),
    ]
    (values,) = (each.detail for each in result.findings if each.kind == 'values of no class')
    assert 'which 768 pixels have' in values
    assert result.failed


def test_warnings_do_not_fail(data):
    write(data / 'trainannot' / '0.png', mask(0))
    write(data / 'trainannot' / '1.png', mask(1))
    shutil.copy(data / 'train' / '2.png', data / 'val' / '10.png')
    shutil.copy(data / 'train' / '2.png', data / 'train' / '3.png')
    write(data / 'trainannot' / '3.png', mask(0.5))
    result = check(data)
    assert [(each.kind, each.split, Path(each.file).name, Path(each.other).name) for each in result.findings] == [
        ('no foreground', 'train', '0.png', ''),
        ('all foreground', 'train', '1.png', ''),
        ('duplicate', 'train', '3.png', '2.png'),
        ('duplicate with another mask', 'train', '3.png', '2.png'),
        ('duplicate across splits', 'val', '10.png', '2.png'),
    ]
    assert not result.failed
    assert result.splits[0].quantiles == [0, pytest.approx(0.075), 0.375, pytest.approx(0.85), 1]


def test_a_split_that_cannot_be_built_does_not_end_the_check_of_the_others(data):
    shutil.rmtree(data / 'trainannot')
    shutil.rmtree(data / 'val')
    (data / 'val').mkdir()
    write(data / 'valannot' / '10.png', mask(value=3))
    write(data / 'other' / '1.png', photograph(1))
    write(data / 'otherannot' / '1.png', mask(0))
    assert found(data) == [
        ('data set cannot be built', 'train', 'data'),
        ('masks are not understood', 'other', 'data'),
        ('data set cannot be built', 'val', 'data'),
    ]


@pytest.mark.parametrize('pixels', [np.full((48, 64, 3), (0, 0, 255), np.uint8), photograph(5)[..., 0]])
def test_a_doubt_about_all_masks_is_one_finding_and_photographs_are_checked(data, pixels):
    for file in data.glob('trainannot/*.png'):
        write(file, pixels)
    (data / 'train' / '1.png').write_bytes(b'')
    assert found(data) == [('masks are not understood', 'train', 'data'), ('photograph is unreadable', 'train', '1.png')]


def test_train_and_val_that_do_not_agree_are_a_finding_as_they_end_a_training(data):
    for file in data.glob('valannot/*.png'):
        write(file, mask(value=1))
    (finding,) = check(data).findings
    assert (finding.kind, finding.level) == ('masks are not understood', 'error')
    assert 'do not agree' in finding.detail


def test_a_config_with_colours_and_a_missing_mask_is_checked_to_the_end(data, tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[:, 32:] = (0, 0, 255)  # BGR
    for file in data.glob('*annot/*.png'):
        write(file, red)
    (data / 'trainannot' / '0.png').unlink()
    write(data / 'trainannot' / '1.png', np.full_like(red, 7))
    config = config_of(data, tmp_path, kind='BinaryMaskDataset', foreground='#ff0000')
    assert found(config) == [('mask is missing', 'train', '0.png'), ('values of no class', 'train', '1.png')]
    assert check(config).splits[0].foreground == 0.5


def test_a_config_is_checked_as_its_data_sets_read_it(data, tmp_path):
    write(data / 'valannot' / '10.png', mask(value=9))
    config = config_of(data, tmp_path, values={0: 'road', 255: 'crack'}, foreground='crack')
    assert found(config) == [('values of no class', 'val, test', '10.png')]
    config = config_of(data, tmp_path, values={0: 'road', 255: 'crack', 9: 'line'}, foreground=('crack', 'line'))
    assert found(config) == []


def test_wrapped_data_sets_are_checked(data, tmp_path):
    (data / 'trainannot' / '0.png').unlink()
    write(data / 'valannot' / '10.png', mask(value=9))
    config = config_of(data, tmp_path)
    config.write_text(
        config.read_text()
        + "\none = train_dataloader['dataset']\ntwo = val_dataloader['dataset']\n"
        + "train_dataloader = dict(dataset=dict(type='RepeatDataset', times=3, dataset=dict(type='ConcatDataset', "
        + 'datasets=[one, two])))\ndel val_dataloader, test_dataloader\n'
    )
    result = check(config)
    assert [(split.name, split.photographs) for split in result.splits] == [('train', 5)]
    assert [each.kind for each in result.findings] == ['mask is missing', 'values of no class']


def test_a_folder_of_negatives_beside_one_of_positives_is_no_error(data, tmp_path):
    for seed in (10, 11):
        write(data / 'valannot' / f'{seed}.png', mask(value=0))
    config = config_of(data, tmp_path, values={0: 'background', 255: 'crack'}, foreground='crack')
    wrapped = "dict(type='ConcatDataset', datasets=[train_dataloader['dataset'], val_dataloader['dataset']])"
    text = f'{config.read_text()}\ntrain_dataloader = dict(dataset={wrapped})\ndel val_dataloader, test_dataloader\n'
    config.write_text(text)
    assert 'class without a pixel' not in [each.kind for each in check(config).findings]


def test_masks_of_0_and_255_are_told_also_beside_others(data, tmp_path):
    for seed in range(4):
        write(data / 'trainannot' / f'{seed}.png', mask(value=1))
    metainfo = dict(classes=('background', 'crack'), palette=[[0] * 3, [1] * 3])
    config = config_of(data, tmp_path, 'BaseSegDataset', img_suffix='.png', metainfo=metainfo)
    wrapped = "dict(type='ConcatDataset', datasets=[train_dataloader['dataset'], val_dataloader['dataset']])"
    text = f'{config.read_text()}\ntrain_dataloader = dict(dataset={wrapped})\ndel val_dataloader, test_dataloader\n'
    config.write_text(text)
    assert 'masks of 0 and 255' in [each.kind for each in check(config).findings]


@pytest.mark.parametrize('classes', [('background', 'crack'), ('road', 'crack', 'line')])
def test_masks_of_0_and_255_in_a_data_set_of_mmsegmentation_are_told(data, tmp_path, classes):
    palette = [[index] * 3 for index in range(len(classes))]
    options = dict(img_suffix='.png', metainfo=dict(classes=classes, palette=palette))
    result = check(config_of(data, tmp_path, 'BaseSegDataset', **options))
    assert [(each.kind, each.split) for each in result.findings if each.level == 'error'] == [
        ('masks of 0 and 255', 'train'),
        ('masks of 0 and 255', 'val, test'),
    ]
    assert 'values={0: ' in result.findings[0].detail
    assert result.failed


def test_white_is_no_class_of_masks_of_0_and_1(data, tmp_path):
    config = config_of(data, tmp_path, values={0: 'road', 1: 'crack'}, foreground='crack')
    assert {kind for kind, _, _ in found(config)} == {'masks of 0 and 255'}


def test_missing_and_unused_masks_of_mmsegmentations_data_sets(data, tmp_path):
    (data / 'trainannot' / '0.png').unlink()
    write(data / 'trainannot' / 'extra.png', mask(value=1))
    for file in data.glob('*annot/*.png'):
        write(file, mask(value=1))
    options = dict(img_suffix='.png', metainfo=dict(classes=('background', 'crack'), palette=[[0] * 3, [1] * 3]))
    assert found(config_of(data, tmp_path, 'BaseSegDataset', **options)) == [
        ('mask is not used', 'train', 'extra.png'),
        ('mask is missing', 'train', '0.png'),
    ]


def together(tmp_path, data_root, train, val):
    """A config of CamVid's folders together, with these drives."""
    lines = [f"_base_ = '{mim_folder('mmseg_bisenet_lite') / 'configs/_base_/datasets/camvid_vehicle_trainval.py'}'"]
    lines += ["custom_imports = dict(imports=['mmseg_bisenet_lite'], allow_failed_imports=False)", "default_scope = 'mmseg'"]
    for split, drives in (('train', train), ('val', val)):
        own = f'dict(data_root={str(data_root)!r}, drives={drives!r})'
        lines.append(
            f'{split}_dataloader = dict(dataset=dict(datasets=[dict(each, **{own}) for each in '
            f'_base_.{split}_dataloader.dataset.datasets]))'
        )
    file = tmp_path / 'together.py'
    file.write_text('\n'.join([*lines, 'test_dataloader = val_dataloader']))
    return file


def test_a_folder_may_have_no_photographs_of_a_drive(drives, tmp_path):
    assert found(together(tmp_path, drives, ['0006R0', '0016E5'], '0001TP')) == []
    assert found(together(tmp_path, drives, ['0006R0', '0016E5'], 'Seq05VD')) == [('data set cannot be built', 'val, test', '')]


def test_a_test_set_that_is_trained_on_is_told(drives, tmp_path):
    findings = found(together(tmp_path, drives, None, None))
    assert {finding[:2] for finding in findings} == {('duplicate across splits', 'val, test')}
    assert len(findings) == 11


def test_findings_and_sheets_are_written(data, tmp_path):
    write(data / 'trainannot' / '0.png', mask()[:9])
    out = tmp_path / 'out'
    result, written = check_dataset(CheckConfig(data, out, workers=2, similar=False))
    assert sorted(written) == sorted(file.name for file in out.iterdir())
    assert written == ['findings.json', 'findings.csv', 'train.jpg', 'val.jpg']
    (finding,) = json.loads((out / 'findings.json').read_text())['findings']
    (row,) = csv.DictReader((out / 'findings.csv').open())
    assert finding == {key: row[key] for key in finding}
    assert (finding['level'], finding['kind'], finding['file']) == (
        'error',
        'sizes differ',
        str(data / 'trainannot' / '0.png'),
    )
    assert cv2.imread(str(out / 'val.jpg')).shape == (216, 640, 3)
    assert result.failed


@pytest.mark.parametrize('name', ['nothing.py', 'empty'])
def test_what_is_no_data_set_is_one_clear_error(tmp_path, name):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match=name):
        check(tmp_path / name)


def test_a_config_without_data_is_one_clear_error(tmp_path):
    (tmp_path / 'model.py').write_text('model = dict()')
    with pytest.raises(InputError, match=r'model\.py: has no train_dataloader'):
        check(tmp_path / 'model.py')


def test_few_items_are_under_way_and_results_stay_in_order():
    begun = []

    def items():
        for number in range(50):
            begun.append(number)
            yield number

    with ThreadPoolExecutor(3) as pool:
        for done, result in enumerate(ahead(pool, lambda number: -number, items(), 5)):
            assert result == -done
            assert len(begun) <= done + 5
    assert len(begun) == 50
