import shutil

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_bisenet_lite import CityscapesBinaryDataset, CityscapesHumanDataset, CityscapesVehicleDataset
from mmseg_bisenet_lite.datasets.cityscapes import HUMAN, VEHICLE
from mmseg_bisenet_lite.datasets.transforms.loading import UNKNOWN
from mmseg_bisenet_lite.datasets.vocabulary import label_table
from mmseg_bisenet_lite.utils.errors import InputError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
TRAIN = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')


@pytest.fixture
def data(toy, tmp_path):
    """A copy of the toy set that a test may damage."""
    return shutil.copytree(toy, tmp_path / 'cityscapes')


def build(kind, root, pipeline=LOAD, **kwargs):
    return kind(data_root=str(root), data_prefix=TRAIN, pipeline=pipeline, **kwargs)


def first(root, suffix):
    kind = 'leftImg8bit' if suffix == 'leftImg8bit' else 'gtFine'
    return sorted((root / kind / 'train').rglob(f'*_{suffix}.png'))[0]


@pytest.mark.parametrize(('category', 'foreground'), [('human', HUMAN), ('vehicle', VEHICLE)])
def test_label_ids_are_cityscapes_own_categories(category, foreground):
    table = label_table(CityscapesBinaryDataset.VOCABULARIES['_gtFine_labelIds.png'], foreground)
    official = np.full(256, UNKNOWN)
    for label in labels:  # an 8-bit image holds -1 as 255
        void = label.category == 'void'
        official[label.id % 256] = 255 if void else label.category == category
    assert table.tolist() == official.tolist()


@pytest.mark.parametrize(('category', 'foreground'), [('human', HUMAN), ('vehicle', VEHICLE)])
def test_train_ids_are_cityscapes_own_categories(category, foreground):
    table = label_table(CityscapesBinaryDataset.VOCABULARIES['_gtFine_labelTrainIds.png'], foreground)
    official = np.full(256, UNKNOWN)
    official[255] = 255
    for label in labels:
        if 0 <= label.trainId < 255:
            official[label.trainId] = label.category == category
    assert table.tolist() == official.tolist()


@given(st.sets(st.sampled_from(['person', 'car', 'road', 'caravan']), min_size=1))
def test_a_table_separates_the_foreground_from_all_else(foreground):
    vocabulary = CityscapesBinaryDataset.VOCABULARIES['_gtFine_labelIds.png']
    table = label_table(vocabulary, tuple(foreground))
    assert {vocabulary[value] for value in np.flatnonzero(table == 1)} == foreground
    assert set(np.flatnonzero(table == UNKNOWN)) == set(range(256)) - vocabulary.keys()


def test_metainfo():
    assert CityscapesHumanDataset.METAINFO['classes'] == ('background', 'human')
    assert CityscapesVehicleDataset.METAINFO['classes'] == ('background', 'vehicle')
    renamed = DATASETS.build(
        dict(
            type='CityscapesBinaryDataset',
            foreground=('person',),
            metainfo=dict(classes=('rest', 'pedestrian')),
            lazy_init=True,
            data_prefix={},
        )
    )
    assert renamed.metainfo['classes'] == ('rest', 'pedestrian')


def test_vehicle_samples_are_whole_photographs(toy):
    dataset = build(CityscapesVehicleDataset, toy)
    assert len(dataset) == 8
    sample = dataset[0]
    path = sample['data_samples'].img_path
    assert np.array_equal(sample['inputs'].numpy().transpose(1, 2, 0), cv2.imread(path))
    ids = cv2.imread(str(first(toy, 'gtFine_labelTrainIds')), cv2.IMREAD_UNCHANGED)
    expected = np.where(ids == 255, 255, np.isin(ids, [13, 14, 15, 16, 17, 18]))
    assert np.array_equal(sample['data_samples'].gt_sem_seg.data[0].numpy(), expected)


def test_human_samples_are_quarters(toy):
    whole = build(CityscapesBinaryDataset, toy, foreground=HUMAN)
    quarters = build(CityscapesHumanDataset, toy)
    assert len(quarters) == 4 * len(whole)
    for index in (0, 5):
        photo, label = whole[index]['inputs'].numpy(), whole[index]['data_samples'].gt_sem_seg.data.numpy()
        four = [quarters[4 * index + k] for k in range(4)]
        for pick, full in (
            (lambda s: s['inputs'].numpy(), photo),
            (lambda s: s['data_samples'].gt_sem_seg.data.numpy(), label),
        ):
            a, b, c, d = map(pick, four)
            assert np.array_equal(np.concatenate([np.concatenate([a, b], 2), np.concatenate([c, d], 2)], 1), full)
        assert four[0]['data_samples'].ori_shape == (32, 64)
    assert len({quarters[i]['data_samples'].img_path for i in range(len(quarters))}) == len(quarters)


@pytest.mark.slow
def test_the_papers_sizes(tmp_path):
    # 2,975 and 500 photographs give 11,900 and 2,000 samples; the files need not be images to be counted.
    for split, count in (('train', 2975), ('val', 500)):
        for kind, suffix in (('leftImg8bit', 'leftImg8bit'), ('gtFine', 'gtFine_labelTrainIds')):
            folder = tmp_path / kind / split / 'city'
            folder.mkdir(parents=True)
            for i in range(count):
                (folder / f'city_{i:06d}_{suffix}.png').touch()
        prefix = dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}')
        assert len(CityscapesHumanDataset(data_root=str(tmp_path), data_prefix=prefix)) == 4 * count
        assert len(CityscapesVehicleDataset(data_root=str(tmp_path), data_prefix=prefix)) == count


def test_label_ids_serve_when_only_they_exist(toy, data):
    with_train_ids = build(CityscapesVehicleDataset, toy)[0]['data_samples'].gt_sem_seg.data
    for path in (data / 'gtFine').rglob('*_labelTrainIds.png'):
        path.unlink()
    with_label_ids = build(CityscapesVehicleDataset, data)[0]['data_samples'].gt_sem_seg.data
    # The toy's classes all have train ids, so both kinds of label maps say the same.
    assert (with_train_ids == with_label_ids).all()
    assert with_train_ids.unique().tolist() == [0, 1, 255]


def test_caravans_are_vehicles_where_label_ids_tell(data):
    path = first(data, 'gtFine_labelIds')
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    label[:] = 29
    cv2.imwrite(str(path), label)
    dataset = build(CityscapesVehicleDataset, data, seg_map_suffix='_gtFine_labelIds.png')
    assert (dataset[0]['data_samples'].gt_sem_seg.data == 1).all()


@pytest.mark.parametrize('name', ['train_pipeline', 'test_pipeline', 'tta_pipeline'])
def test_mmsegs_own_pipelines_work(toy, tmp_path, name):
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmseg::_base_/datasets/cityscapes_1024x1024.py'")
    pipeline = Config.fromfile(path)[name]
    sample = build(CityscapesVehicleDataset, toy, pipeline)[0]['data_samples']
    for one in sample if isinstance(sample, list) else [sample]:
        assert set(one.gt_sem_seg.data.unique().tolist()) <= {0, 1, 255}


def test_a_list_of_photographs_selects(toy, tmp_path):
    listed = tmp_path / 'list.txt'
    listed.write_text('toyville/toyville_000003_000019\ntoyville/toyville_000005_000019\n\n')
    assert len(build(CityscapesHumanDataset, toy, ann_file=str(listed))) == 8
    listed.write_text('toyville/toyville_000005_000019\ntoyville/toyville_000003_000019\ntoyville/toyville_000005_000019\n')
    paths = [build(CityscapesVehicleDataset, toy, ann_file=str(listed)).get_data_info(i)['img_path'] for i in range(3)]
    assert ['000005' in path for path in paths] == [True, False, True]  # repeated and in order, as in MMSegmentation
    listed.write_text('toyville/toyville_000099_000019\n')
    with pytest.raises(InputError, match='toyville_000099_000019 is not among'):
        build(CityscapesHumanDataset, toy, ann_file=str(listed))


def test_photographs_without_labels_can_be_tested(toy):
    dataset = CityscapesVehicleDataset(
        data_root=str(toy), data_prefix=dict(img_path='leftImg8bit/val'), pipeline=[LOAD[0], LOAD[2]], test_mode=True
    )
    assert len(dataset) == 2
    assert 'gt_sem_seg' not in dataset[0]['data_samples']


def test_a_wrong_data_root_is_named(tmp_path):
    with pytest.raises(InputError, match='nowhere/leftImg8bit/train: there is no such folder'):
        build(CityscapesVehicleDataset, tmp_path / 'nowhere')


def test_an_empty_folder_is_named(data):
    for path in (data / 'leftImg8bit').rglob('*.png'):
        path.unlink()
    with pytest.raises(InputError, match='leftImg8bit/train: found no photographs'):
        build(CityscapesVehicleDataset, data)


def test_a_missing_label_map_is_named(data):
    path = first(data, 'gtFine_labelTrainIds')
    path.unlink()
    with pytest.raises(InputError, match=rf'{path.name}: this label map is missing \(1 of 8'):
        build(CityscapesVehicleDataset, data)


@pytest.mark.parametrize('suffix', ['leftImg8bit', 'gtFine_labelTrainIds'])
@pytest.mark.parametrize('kind', [CityscapesVehicleDataset, CityscapesHumanDataset])
def test_a_truncated_file_is_named(data, suffix, kind):
    path = first(data, suffix)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=f'{path.name}: not a readable .*truncated'):
        build(kind, data)[0]


@pytest.mark.parametrize('kind', [CityscapesVehicleDataset, CityscapesHumanDataset])
def test_a_label_map_of_another_size_is_named(data, kind):
    path = first(data, 'gtFine_labelTrainIds')
    cv2.imwrite(str(path), np.zeros((20, 40), np.uint8))
    with pytest.raises(InputError, match=rf'{path.stem}.*: the label map is .*leftImg8bit'):
        build(kind, data)[0]


def test_an_unknown_label_value_is_named(data):
    path = first(data, 'gtFine_labelTrainIds')
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    label[3, 4], label[0, 0] = 77, 99
    cv2.imwrite(str(path), label)
    with pytest.raises(InputError, match=rf'{path.name}: no class of the data set has the label value 77, 99'):
        build(CityscapesVehicleDataset, data)[0]


def test_a_coloured_label_map_is_named(data):
    path = first(data, 'gtFine_labelTrainIds')
    cv2.imwrite(str(path), np.zeros((64, 128, 3), np.uint8))
    with pytest.raises(InputError, match=f'{path.name}: a label map must have 1 channel'):
        build(CityscapesVehicleDataset, data)[0]


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_a_truncated_file_is_named_by_every_decoder(data, backend):
    pipeline = [dict(step, imdecode_backend=backend) for step in LOAD[:2]]
    for suffix in ('gtFine_labelTrainIds', 'leftImg8bit'):
        path = first(data, suffix)
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(InputError, match=f'{path.name}: not a readable .*truncated'):
            build(CityscapesVehicleDataset, data, pipeline)[0]


@pytest.mark.parametrize('kind', [CityscapesVehicleDataset, CityscapesHumanDataset])
def test_palettes_do_not_matter(data, kind):
    path = first(data, 'gtFine_labelTrainIds')
    label = Image.fromarray(np.tile(np.uint8([0, 1]), (64, 64)), 'P')
    label.putpalette([0, 0, 0, 255, 255, 255])
    label.save(path)
    assert (build(kind, data)[0]['data_samples'].gt_sem_seg.data == 0).all()  # road and sidewalk


def test_no_label_is_shifted(toy):
    with pytest.raises(InputError, match='reduce_zero_label=True'):
        build(CityscapesVehicleDataset, toy, [LOAD[0], dict(type='LoadAnnotations', reduce_zero_label=True)])[0]


@pytest.mark.parametrize('kind', [CityscapesVehicleDataset, CityscapesHumanDataset])
def test_a_label_map_of_16_bits_is_named(data, kind):
    path = first(data, 'gtFine_labelTrainIds')
    cv2.imwrite(str(path), np.full((64, 128), 256 + 13, np.uint16))  # as 8 bits it would be a car
    with pytest.raises(
        InputError, match=rf'{path.name}: (a label map must have 1 channel of uint8, not 1 of uint16|pixel mode)'
    ):
        build(kind, data)[0]


def test_a_foreground_that_the_labels_do_not_have_is_named(toy):
    with pytest.raises(
        InputError, match=r"foreground=\('caravan',\): the label maps .*labelTrainIds.png .* do not have such a class"
    ):
        build(CityscapesBinaryDataset, toy, foreground='caravan')


def test_missing_labels_are_named_where_they_are_needed(toy):
    dataset = CityscapesVehicleDataset(data_root=str(toy), data_prefix=dict(img_path='leftImg8bit/val'), pipeline=LOAD)
    with pytest.raises(InputError, match="has no label map; set data_prefix's seg_map_path"):
        dataset[0]


@pytest.mark.parametrize(
    'options',
    [
        dict(foreground=('perso',)),
        dict(foreground=()),
        dict(seg_map_suffix='_ids.png'),
        dict(tiles=(0, 2)),
        dict(tiles=2),
        dict(ignore_index=-100),
        dict(ignore_index=1),
        dict(reduce_zero_label=True),
    ],
)
def test_wrong_options_are_named(toy, options):
    with pytest.raises(InputError, match=f'{next(iter(options))}='):
        build(CityscapesVehicleDataset, toy, **options)
