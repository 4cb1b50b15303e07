import pytest

from mmseg_bisenet_lite import CamVidVehicleDataset
from mmseg_bisenet_lite.datasets.metainfo import metainfo_of
from mmseg_bisenet_lite.utils.errors import InputError

OWN = dict(type='BinarySegDataset', metainfo=dict(classes=('background', 'crack')))


@pytest.mark.parametrize(
    ('dataset', 'foreground'),
    [
        (dict(type='CamVidVehicleDataset'), 'vehicle'),
        (dict(type=CamVidVehicleDataset, metainfo=None), 'vehicle'),
        (dict(type='mmseg_bisenet_lite.datasets.camvid.CamVidVehicleDataset'), 'vehicle'),
        (dict(type='mmseg.BinarySegDataset'), 'foreground'),
        (dict(type='BaseSegDataset', metainfo=OWN['metainfo']), 'crack'),
        (dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[OWN, OWN])), 'crack'),
    ],
)
def test_the_names_of_a_config(dataset, foreground):
    assert metainfo_of(dataset)['classes'] == ('background', foreground)


def test_a_data_set_without_names_is_refused():
    for kind in ('BaseSegDataset', 'Unknown'):
        with pytest.raises(InputError, match=f'{kind} names no classes'):
            metainfo_of(dict(type=kind))
