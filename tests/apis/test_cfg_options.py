import re

import pytest
from mmengine.config import Config

from mmseg_bisenet_lite.apis.cfg_options import merge_options, parse_options, unread_assignments
from mmseg_bisenet_lite.utils.errors import InputError

CONFIG = 'lite_hinge_vehicle.py'


@pytest.fixture(scope='module')
def config(root):
    return Config.fromfile(root / 'configs' / 'camvid' / CONFIG)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('crop_size=(32,32)', 'change model.data_preprocessor.size, train_dataloader.dataset.pipeline.2.crop_size instead'),
        (
            'data_root=a',
            'change train_dataloader.dataset.data_root, val_dataloader.dataset.data_root, ',
        ),
        ('dataset_type=A', 'change train_dataloader.dataset.type, val_dataloader.dataset.type'),
        ('train_pipeline.2.crop_size=(8,8)', 'change train_dataloader.dataset.pipeline'),
        ('norm_cfg.type=BN', 'change model.backbone.norm_cfg'),
        ('optimizer.lr=0.1', 'change optim_wrapper.optimizer instead'),
        ('train_dataloder.batch_size=2', "nothing reads 'train_dataloder'; do you mean 'train_dataloader'?"),
        ('batch_size=2', "nothing reads 'batch_size'"),
        ('train_dataloader.batchsize=2', "do you mean 'batch_size'?"),
        ('train_dataloader.dataset.data_rot=a', "do you mean 'data_root'?"),
        ('train_dataloader.dataset.data_prefix.img_pth=a', "do you mean 'img_path'?"),
        ('train_dataloader.sampler.shufle=True', "SeededInfiniteSampler takes no 'shufle'"),
        ('train_dataloader.dataset.pipeline.2.crop=(8,8)', "RandomResizeCropFlip takes no 'crop'"),
        ('model.bakbone.in_channels=3', "EncoderDecoder takes no 'bakbone'; do you mean 'backbone'?"),
        ('model.decode_head.dropout=0.5', "BinaryHingeHead takes no 'dropout'; do you mean 'dropout_ratio'?"),
        ('model.backbone.backbone_cfg.width=3', "LiteVGG takes no 'width'; do you mean 'widths'?"),
        ('optim_wrapper.dtyp=float32', "do you mean 'dtype'?"),
        ('optim_wrapper.optimizer.weightdecay=1', "SGD takes no 'weightdecay'; do you mean 'weight_decay'?"),
        ('param_scheduler.1.powr=1', "PolyLR takes no 'powr'; do you mean 'power'?"),
        ('default_hooks.foregroundweight.start=1', "the config has no such hook; do you mean 'foreground_weight'?"),
        ('default_hooks.foregroundweight=None', "the config has no such hook; do you mean 'foreground_weight'?"),
        ('default_hooks.threshold.used=best', "ThresholdHook takes no 'used'; do you mean 'use'?"),
        ('test_evaluator.iou_metric=mIoU', "BinaryIoUMetric takes no 'iou_metric'; do you mean 'iou_metrics'?"),
        ('visualizer.alfa=1', "SegLocalVisualizer takes no 'alfa'; it takes alpha, classes, "),
        ('env_cfg.cudnn_benchmrk=True', "do you mean 'cudnn_benchmark'?"),
        ('randomness.sed=1', "do you mean 'seed'?"),
        ('log_processor.window=1', "do you mean 'window_size'?"),
        ('train_cfg.max_iter=1', "IterBasedTrainLoop takes no 'max_iter'; do you mean 'max_iters'?"),
        ('train_dataloader.collate_fn.type=pseudo_collate train_dataloader.collate_fn.a=1', "pseudo_collate takes no 'a'"),
        ('default_hooks.checkpoint.save_bset=mIoU', "CheckpointHook takes no 'save_bset'; do you mean 'save_best'?"),
        ('model.backbone.norm_cfg.tpe=BN', "norm_cfg has no 'tpe'; do you mean 'type'?"),
        ('data_preprocessor.size=(8,8)', 'change model.data_preprocessor instead'),
        ('optim_wrapper.paramwise_cfg.norm_decay_mul=0', "do you mean 'norm_decay_mult'?"),
        ('optim_wrapper.paramwise_cfg.custom_keys.backbone.layer0.lr_mult=1', "backbone takes no 'layer0'"),
        ("model.test_cfg={'mode':'slide'}", 'give its keys, as in model.test_cfg.NAME=VALUE'),
        ('optim_wrapper.clip_grad=dict(max_norm=1)', 'give its keys, as in optim_wrapper.clip_grad.NAME=VALUE'),
        ('model.test_cfg=slide', 'here stands a dict with mode; give model.test_cfg.NAME=VALUE'),
        ('train_dataloader=4', 'here stands a dict with batch_size, '),
        ('param_scheduler.7.end=5', 'they do not fit'),
        ('param_scheduler.end=5', 'they do not fit'),
        ('model.backbone.norm_cfg.type.name=5', 'they do not fit'),
    ],
)
def test_what_nothing_reads_is_named(config, option, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        merge_options(config.copy(), parse_options(option.split()), CONFIG)
    assert str(error.value).startswith('--cfg-options')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'options',
    [
        ['train_dataloader.batch_size=2', 'train_dataloader.drop_last=True', 'train_dataloader.num_batch_per_epoch=3'],
        ['train_dataloader.dataset.cache_dir=a', 'train_dataloader.dataset.indices=4'],
        ['train_dataloader.dataset.pipeline.2.foreground_prob=0', 'model.data_preprocessor.size=(8,8)'],
        ['train_dataloader.dataset.metainfo.classes=a,b'],
        ['load_from=a', 'randomness.seed=3', 'randomness.deterministic=True', 'experiment_name=a', 'work_dir=a'],
        ['env_cfg.mp_cfg.mp_start_method=spawn', 'env_cfg.dist_cfg.timeout=9', 'find_unused_parameters=True'],
        [
            *(
                'optim_wrapper.accumulative_counts=2',
                'optim_wrapper.clip_grad._delete_=True',
            ),
            *(
                'optim_wrapper.clip_grad.max_norm=1',
                'optim_wrapper.compile=True',
            ),
        ],
        ['optim_wrapper.paramwise_cfg.norm_decay_mult=0', 'optim_wrapper.optimizer.nesterov=True'],
        [
            'optim_wrapper.optimizer._delete_=True',
            'optim_wrapper.optimizer.type=AdamW',
            'optim_wrapper.optimizer.betas=(0.9,0.99)',
        ],
        ['param_scheduler.1.power=1', 'param_scheduler.0.convert_to_iter_based=True', 'param_scheduler=None'],
        ['default_hooks.foreground_weight=None', 'default_hooks.strict_checkpoint.allow=decode_head'],
        ['default_hooks.ema.type=EMAHook', 'default_hooks.ema.momentum=0.1', 'default_hooks.checkpoint.max_keep_ckpts=1'],
        ['default_hooks.checkpoint.save_begin=3', 'default_hooks.checkpoint.save_optimizer=False'],
        ['default_hooks.checkpoint.filename_tmpl={}.pth', 'log_processor=None', 'model.auxiliary_head=None'],
        ['default_hooks.runtime_info=None', 'default_hooks.graceful_stop=None'],
        [f'optim_wrapper.paramwise_cfg.{key}_decay_mult=0' for key in ('bias', 'flat', 'norm')],
        ['optim_wrapper.constructor=Mine', 'optim_wrapper.paramwise_cfg.anything=0'],
        ['train_dataloader.collate_fn.type=default_collate', 'train_dataloader.collate_fn.data_batch=1'],
        ['default_hooks.logger.priority=LOW', 'default_hooks.timer=None', 'custom_hooks=[]'],
        [
            'model.backbone.norm_cfg.momentum=0.1',
            'model.auxiliary_head.0.norm_cfg.type=BN',
            'model.decode_head.dropout_ratio=0',
        ],
        ['model.decode_head.loss_decode.loss_weight=2', 'model.init_cfg.type=Pretrained', 'model.init_cfg.checkpoint=a'],
        [
            'model.backbone.backbone_cfg._delete_=True',
            'model.backbone.backbone_cfg.type=ResNetV1c',
            'model.backbone.backbone_cfg.depth=18',
        ],
        [
            'train_cfg._delete_=True',
            'train_cfg.type=EpochBasedTrainLoop',
            'train_cfg.max_epochs=3',
            'log_processor.by_epoch=True',
        ],
        ['val_evaluator.boundary_ratio=0.1', 'test_evaluator.curve=a.json', 'test_evaluator.prefix=a'],
        ['visualizer.vis_backends.0.type=TensorboardVisBackend', 'visualizer.save_dir=a', 'compile=False'],
    ],
)
def test_what_is_read_is_changed(config, options):
    merge_options(config.copy(), parse_options(options), CONFIG)


def test_a_users_own_class_and_runner_may_take_anything(config):
    merge_options(config.copy(), {'model.backbone.type': 'NotRegistered', 'model.backbone.anything': 1}, CONFIG)
    own = config.copy()
    own.runner_type = 'MyRunner'
    merge_options(own, {'crop_size': (8, 8)}, CONFIG)


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ("_base_ = 'a.py'\ncrop_size = (3, 3)\ndata_root = 'a'", ['crop_size', 'data_root']),
        ("_base_ = 'a.py'\ntrain_dataloder = dict(batch_size=2)", ['train_dataloder']),
        ("_base_ = 'a.py'\ncrop_size = (3, 3)\nmodel = dict(data_preprocessor=dict(size=crop_size))", []),
        (
            'from mmengine.config import read_base\nwith read_base():\n    from .a import *\nnum_classes = 3\n_own = 1',
            ['num_classes'],
        ),
        ("_base_ = 'a.py'\nwork_dir = 'a'\nresume = True\nfind_unused_parameters = True", []),
        ("crop_size = (3, 3)\nmodel = dict(type='A')", []),  # a whole config, such as the one in a work dir
    ],
)
def test_variables_of_an_inheriting_config_that_change_nothing(tmp_path, text, names):
    (tmp_path / 'config.py').write_text(text)
    assert unread_assignments(str(tmp_path / 'config.py'), Config()) == names


def test_the_data_preprocessor_at_the_top_is_read_if_the_model_has_none(tmp_path, config):
    (tmp_path / 'config.py').write_text("_base_ = 'a.py'\ndata_preprocessor = dict(size=(8, 8))")
    assert unread_assignments(str(tmp_path / 'config.py'), config) == ['data_preprocessor']
    assert not unread_assignments(str(tmp_path / 'config.py'), Config(dict(model=dict(type='A'))))


def test_our_configs_set_nothing_that_nothing_reads(root, config):
    leaves = [file for file in (root / 'configs').rglob('*.py') if '_base_' not in file.parts]
    assert len(leaves) > 15
    assert not {file.name: names for file in leaves if (names := unread_assignments(str(file), config))}


def test_the_options_of_the_pages_are_read(root, config):
    options = []
    for page in ('configs/README.md', 'tools/README.md'):
        text = (root / page).read_text(encoding='utf-8')
        options += re.findall(r'(?<![\w.])([a-z_]+(?:\.[a-z_0-9]+)+=(?:"[^"]*"|[^\s"`]+))', text)
    options = [option.replace('"', '') for option in options]
    assert len(options) > 30
    for option in options:
        merge_options(config.copy(), parse_options([option]), CONFIG)
