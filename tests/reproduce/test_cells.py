import pytest

from mmseg_bisenet_lite.errors import InputError
from mmseg_bisenet_lite.reproduce.cells import Cell, cells, parse_grid


def test_the_grid_of_table_6():
    found = cells(parse_grid('lite,r18 x ce,hinge x human,vehicle'), 2)
    assert len(found) == len(set(found)) == 16
    assert [cell.seed for cell in found] == [0] * 8 + [1] * 8
    assert {cell.name for cell in found} >= {'lite_ce_human', 'r18_hinge_vehicle'}


def test_a_peer_keeps_its_own_loss_and_is_trained_once():
    found = cells(parse_grid('lite,pidnet-s x ce,hinge x vehicle'), 1)
    assert [cell.name for cell in found] == ['lite_ce_vehicle', 'lite_hinge_vehicle', 'pidnet-s_vehicle']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('lite x hinge', 'give networks, losses and targets'),
        ('lite x hinge x horse', "'horse' is none of human, vehicle"),
        ('lite,unet x hinge x human', "'unet' is none of lite, r18, bisenetv1-r18"),
        ('lite x focal x human', "'focal' is none of ce, hinge"),
    ],
)
def test_wrong_grids_are_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_grid(text)


@pytest.mark.parametrize('network', ['lite', 'r18'])
@pytest.mark.parametrize('dataset', ['camvid', 'cityscapes'])
def test_a_cell_is_trained_with_the_projects_config(network, dataset):
    config = Cell(network, 'hinge', 'vehicle', 7).config(dataset, None)
    assert config.randomness.seed == 7
    assert config.model.decode_head.type == 'BinaryHingeHead'
    assert 'work_dir' not in config
    assert config.train_cfg.max_iters == {'camvid': 4000, 'cityscapes': 160000}[dataset]


@pytest.mark.parametrize('peer', ['ddrnet23-slim', 'pidnet-s', 'fastscnn', 'stdc1', 'bisenetv2'])
def test_a_peer_has_lites_protocol(peer):
    ours, theirs = (Cell(network, loss, 'human', 0).config('camvid', 400) for network, loss in (('lite', 'ce'), (peer, 'own')))
    for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks', 'val_evaluator'):
        assert theirs[key] == ours[key]
    assert theirs.model != ours.model
    assert theirs.model.data_preprocessor.size == ours.model.data_preprocessor.size


def test_fewer_iterations_shorten_the_schedule():
    config = Cell('lite', 'hinge', 'human', 0).config('camvid', 2000)
    assert config.train_cfg.max_iters == 2000
    assert config.train_cfg.val_interval == config.default_hooks.checkpoint.interval == 500
    assert config.param_scheduler[-1].end == 2000
    with pytest.raises(InputError, match='--iters 20: the rate warms up for longer'):
        Cell('lite', 'hinge', 'human', 0).config('camvid', 20)
