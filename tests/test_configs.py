"""Every config as it is resolved, not as it is written."""

from itertools import product

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS, OPTIMIZERS, TRANSFORMS
from mmseg.structures import SegDataSample
from torch.utils.flop_counter import FlopCounterMode

from mmseg_bisenet_lite import CamVidVehicleDataset, LiteVGG
from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.datasets.vocabulary import class_names

pytestmark = pytest.mark.slow

CONFIGS = mim_folder('mmseg_bisenet_lite') / 'configs'
NAMES = [f'{path}_{loss}_{data}' for path, loss, data in product(('lite', 'r18'), ('ce', 'hinge'), ('human', 'vehicle'))]
TUNED = ['camvid/lite-tuned_hinge_human', 'camvid/lite-tuned_hinge_vehicle']
SHARED = ['camvid/lite-shared_hinge_human', 'camvid/lite-shared_hinge_vehicle']
FAMILY = [f'camvid/lite-{size}_hinge_{target}' for size, target in product('nsm', ('human', 'vehicle'))]
# Variables of the files, which no program reads.
VARIABLES = ('conv_cfg', 'fused_head', 'context_head', 'other', 'classes')
# What learns both targets at once.
BOTH = [*SHARED, *FAMILY]
TOGETHER = [f'{name}_trainval' for name in BOTH]  # for weights of the package
# Networks of others with that training.
PEERS = ['camvid/fastscnn-shared_hinge_vehicle']
OWN = ['own/lite_hinge', 'own/lite-m_hinge', 'own/lite-s_hinge']
LEAVES = [*NAMES, *(f'camvid/{name}' for name in NAMES), *TUNED, *BOTH, 'toy/lite_hinge_human', 'toy/lite_hinge_vehicle', *OWN]


@pytest.fixture(params=LEAVES)
def leaf(request):
    return request.param, Config.fromfile(CONFIGS / f'{request.param}.py')


def test_no_leaf_is_forgotten():
    found = {str(path.relative_to(CONFIGS).with_suffix('')) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts}
    assert found == {*LEAVES, *TOGETHER, *PEERS}


@pytest.mark.parametrize('name', PEERS)
def test_a_peer_is_trained_as_shared_and_has_its_heads(name):
    """But for the network, its maps and the kind of its convolutions."""
    peer, shared = (Config.fromfile(CONFIGS / f'{each}.py') for each in (name, SHARED[1]))
    one, other = peer.pop('model'), shared.pop('model')
    data = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
    for key in (*data, 'test_evaluator', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'default_hooks'):
        assert peer[key] == shared[key]
    assert one.data_preprocessor == other.data_preprocessor
    heads, expected = ([model.decode_head, *model.auxiliary_head] for model in (one, other))
    assert [head.get('foreground') for head in heads] == [head.get('foreground') for head in expected]
    assert [head.loss_decode for head in heads] == [head.loss_decode for head in expected]
    assert [head.num_classes for head in heads] == [head.num_classes for head in expected]
    assert [head.type.removeprefix('DepthwiseSeparable') for head in heads] == [head.type for head in expected]


@pytest.mark.parametrize('name', TOGETHER)
def test_train_and_val_together_is_the_same_training(name):
    together, apart = (Config.fromfile(CONFIGS / f'{each}.py') for each in (name, name.removesuffix('_trainval')))
    sets = together.train_dataloader.pop('dataset').datasets
    one, val = apart.train_dataloader.pop('dataset'), apart.val_dataloader.dataset
    assert sets == [one, {**one, 'data_prefix': val.data_prefix}]
    assert together.pop('work_dir') != apart.pop('work_dir')
    assert together.to_dict() == {**apart.to_dict(), 'train': together.train, 'val': together.val}


def test_training_is_the_papers(leaf):
    # Source: the paper's section on training.
    name, cfg = leaf
    if name not in (*TUNED, *BOTH, *OWN[1:]):
        assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=2.5e-2, momentum=0.9, weight_decay=1e-4)
    assert cfg.train_dataloader.batch_size == 8
    *warm_up, policy = cfg.param_scheduler
    assert (policy.type, policy.power, policy.end) == ('PolyLR', 0.9, cfg.train_cfg.max_iters)
    # Few photographs, CamVid's or a user's, need a warm-up of 100 iterations; nothing else has one.
    few = name.startswith(('camvid', 'own'))
    assert policy.begin == (100 if few else 0)
    assert [(step.type, step.begin, step.end) for step in warm_up] == [('LinearLR', 0, 100)] * few


def test_data_is_the_named_one_everywhere(leaf):
    name, cfg = leaf
    kind = 'CamVid' if name.startswith('camvid') else 'Cityscapes'
    expected = 'BinaryMaskDataset' if name in OWN else f'{kind}{"Human" if name.endswith("human") else "Vehicle"}Dataset'
    loaders = [cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader]
    assert {loader.dataset.type for loader in loaders} == {expected}
    assert DATASETS.get(expected) is not None
    assert len({loader.dataset.data_root for loader in loaders}) == 1
    assert cfg.val_dataloader == cfg.test_dataloader
    train, val = cfg.train_dataloader.dataset.data_prefix, cfg.val_dataloader.dataset.data_prefix
    assert all('train' in train[key] and 'val' in val[key] for key in ('img_path', 'seg_map_path'))


def test_augmentation_is_bisenets(leaf):
    # Source: the paper's section on training.
    name, cfg = leaf
    pipeline = cfg.train_dataloader.dataset.pipeline
    steps = {step.type: step for step in pipeline}
    photometric = ['FastPhotoMetricDistortion', 'RandomCorrupt'] if name in BOTH else []
    assert list(steps) == ['LoadImageFromFile', 'LoadAnnotations', 'RandomResizeCropFlip', *photometric, 'PackSegInputs']
    augmentation = TRANSFORMS.build(steps['RandomResizeCropFlip'])
    assert augmentation.crop_size == cfg.model.data_preprocessor.size == cfg.crop_size
    assert augmentation.flip_prob == 0.5
    if name in OWN:  # whose images have any size: the same range, of images that are fitted into one size
        assert augmentation.scale_factors == ()
        assert (augmentation.scale, augmentation.ratio_range) == (cfg.test_pipeline[1].scale, (0.75, 2.0))
    else:  # a quick start is too short for other scales
        assert augmentation.scale_factors == ((1.0,) if name.startswith('toy') else (0.75, 1.0, 1.5, 1.75, 2.0))
    for step in [*pipeline, *cfg.tta_pipeline]:
        TRANSFORMS.build(step)
    if name in OWN:  # else test-time augmentation would see photographs at their own size, which may be huge
        sizes = [step.scale for step in cfg.tta_pipeline[1].transforms[0]]
        assert cfg.test_pipeline[1].scale in sizes
        assert {size[0] / size[1] for size in sizes} == {4 / 3}


@pytest.mark.parametrize('name', TUNED)
def test_tuned_differs_in_the_optimiser_alone(name):
    tuned, plain = (Config.fromfile(CONFIGS / f'{each}.py') for each in (name, name.replace('-tuned', '')))
    optimizer = tuned.optim_wrapper.pop('optimizer')
    assert OPTIMIZERS.get(optimizer.type) is torch.optim.AdamW
    plain.optim_wrapper.pop('optimizer')
    assert tuned.pop('work_dir') != plain.pop('work_dir')
    assert tuned.to_dict() == plain.to_dict()


def test_losses_are_the_papers(leaf):
    # Hinge on the main output only; the auxiliary outputs keep cross entropy.
    name, cfg = leaf
    main = 'BinaryHingeLoss' if 'hinge' in name else 'CrossEntropyLoss'
    assert cfg.model.decode_head.loss_decode.type == main
    heads = cfg.model.auxiliary_head[-3:] if name in BOTH else cfg.model.auxiliary_head
    assert [head.loss_decode.type for head in heads] == ['CrossEntropyLoss'] * len(heads)
    assert {head.num_classes for head in heads} == {11 if name in BOTH else 2}
    assert cfg.model.decode_head.num_classes == 2


@pytest.mark.parametrize('name', SHARED)
def test_shared_is_lite_with_more_to_learn(name):
    shared, plain = (Config.fromfile(CONFIGS / f'{each}.py').model for each in (name, name.replace('-shared', '')))
    foreground = shared.decode_head.pop('foreground')
    other = shared.auxiliary_head[0].pop('foreground')
    assert shared.auxiliary_head[0] == shared.decode_head == plain.decode_head
    for model in (shared, plain):
        model.pop('auxiliary_head')
    assert shared == plain
    names = class_names(CamVidVehicleDataset.VOCABULARIES['.png'])
    expected = {'vehicle': {'car'}, 'human': {'pedestrian', 'bicyclist'}}
    target = name.rpartition('_')[2]
    assert {names[place] for place in foreground} == expected.pop(target)
    assert {names[place] for place in other} == expected.popitem()[1]


@pytest.mark.parametrize('name', FAMILY)
def test_the_family_is_trained_as_shared_and_differs_in_the_network_alone(name):
    target = name.rpartition('_')[2]
    ours, shared = (Config.fromfile(CONFIGS / f'{each}.py') for each in (name, f'camvid/lite-shared_hinge_{target}'))
    for config in (ours, shared):
        for key in ('work_dir', *VARIABLES):
            config.pop(key, None)
    networks = [config.pop('model') for config in (ours, shared)]
    assert ours.to_dict() == shared.to_dict()
    # Of the heads, the numbers of channels and the kind of convolution alone.
    for model in networks:
        for head in (model.decode_head, *model.auxiliary_head):
            head.in_channels = head.channels = head.conv_cfg = None
        model.backbone = model.backbone.type
    assert networks[0] == networks[1]


@pytest.mark.parametrize('target', ['human', 'vehicle'])
def test_small_differs_from_nano_in_its_context_path_alone(target):
    small, nano = (Config.fromfile(CONFIGS / f'camvid/lite-{size}_hinge_{target}.py').model for size in 'sn')
    backbone = MODELS.build(small).backbone.context_path.backbone
    assert backbone.residual
    assert [len(block) for block in backbone.blocks] == [1, 2, 3, 5, 4]
    for model in (small, nano):
        model.backbone.backbone_cfg = model.backbone.context_channels = None
    assert small == nano


@pytest.mark.parametrize('target', ['human', 'vehicle'])
def test_medium_is_lite_with_fewer_channels_behind_the_backbone(target):
    medium, lite = (Config.fromfile(CONFIGS / f'camvid/lite-{size}_hinge_{target}.py').model for size in ('m', 'shared'))
    sizes = [sum(p.numel() for p in MODELS.build(model).backbone.parameters()) for model in (medium, lite)]
    assert sizes[0] < 0.7 * sizes[1]
    for model in (medium, lite):
        model.backbone.update(spatial_channels=None, context_channels=None, out_channels=None)
        for head in (model.decode_head, *model.auxiliary_head):
            head.update(in_channels=None, channels=None)
    assert medium == lite


@pytest.mark.parametrize('name', ['lite-n', 'lite-s', 'lite-m', 'lite-shared'])
def test_the_model_zoo_tells_the_sizes(name):
    page = (CONFIGS / 'README.md').read_text().partition('## Smaller networks')[2]
    row = next(line for line in page.splitlines() if line.startswith(f'| `camvid/{name}_hinge_human`'))
    _, _, parameters, gmac, blocks, *_ = (cell.strip() for cell in row.split('|'))
    config = Config.fromfile(CONFIGS / f'camvid/{name}_hinge_human.py')
    for part in (config.model.backbone, config.model.decode_head):
        part.conv_cfg = None  # branches are no part of the network for inference
    net = MODELS.build(config.model).eval()
    del net.auxiliary_head
    assert f'{sum(p.numel() for p in net.parameters()) / 1e6:.2f}' == parameters
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.decode_head(net.extract_feat(torch.zeros(1, 3, 256, 256)))
    assert f'{counter.get_total_flops() / 2 * 16 / 1e9:.1f}' == gmac  # it is proportional to the area
    (backbone,) = (module for module in net.modules() if isinstance(module, LiteVGG))
    widths = [[module.conv.out_channels for module in block if hasattr(module, 'conv')] for block in backbone.blocks]
    assert '; '.join(', '.join(map(str, row)) for row in widths) == blocks


def test_batch_norm_is_synchronised_everywhere(leaf):
    _, cfg = leaf
    kinds = {type(module).__name__ for module in MODELS.build(cfg.model).modules()}
    assert 'SyncBatchNorm' in kinds
    assert not kinds & {'BatchNorm2d', '_BatchNormXd'}


@pytest.mark.parametrize(
    'name', [name for name in LEAVES if not name.split('/')[-1].startswith(('lite-n', 'lite-s_', 'lite-m'))]
)
def test_the_context_path_is_the_named_one(name):
    backbone = MODELS.build(Config.fromfile(CONFIGS / f'{name}.py').model).backbone.context_path.backbone
    path = name.split('/')[-1].split('_')[0].removesuffix('-tuned').removesuffix('-shared')
    expected = {'lite': 1_171_432, 'r18': 11_176_512}[path]  # torchvision's resnet18 less its fc
    assert sum(p.numel() for p in backbone.parameters()) == expected


def test_work_dirs_do_not_collide():
    named = [Config.fromfile(CONFIGS / f'{name}.py').get('work_dir', f'./work_dirs/{name}') for name in LEAVES]
    assert len(set(named)) == len(LEAVES)


@pytest.mark.parametrize('name', [name for name in LEAVES if not name.startswith('camvid')])
def test_trains_and_predicts(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    model = MODELS.build(cfg.model)
    model.data_preprocessor.size = (64, 96)

    def batch():
        label = torch.randint(2, (1, 64, 96))
        label[:, :4] = 255
        meta = dict(img_shape=(64, 96), ori_shape=(64, 96))
        sample = SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta)
        return dict(
            inputs=[torch.randint(256, (3, 64, 96), dtype=torch.uint8)] * 2, data_samples=[sample.clone(), sample.clone()]
        )

    data = model.data_preprocessor(batch(), training=True)
    losses = model(**data, mode='loss')
    main = 'decode.loss_hinge' if 'hinge' in name else 'decode.loss_ce'
    auxiliary = {f'aux_{number}.loss_ce' for number in range(3 if name in OWN[1:] else 2)}
    assert {key for key in losses if 'loss' in key} == {main, *auxiliary}
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())

    model.eval()
    with torch.no_grad():
        sample = model(**model.data_preprocessor(batch(), training=False), mode='predict')[0]
    assert sample.pred_sem_seg.data.shape == (1, 64, 96)
    assert set(sample.pred_sem_seg.data.unique().tolist()) <= {0, 1}
