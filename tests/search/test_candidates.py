import shutil
from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample

from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.engine.label_check_hook import require_fitting_heads
from mmseg_bisenet_lite.search import SearchConfig, candidates_of
from mmseg_bisenet_lite.search.candidates import LEARNED, LEFT_OUT, TARGETS
from mmseg_bisenet_lite.utils.errors import InputError

CONFIGS = mim_folder('mmseg_bisenet_lite') / 'configs'
NANO, FAST = (str(CONFIGS / 'camvid' / f'{name}_hinge_vehicle.py') for name in ('lite-n', 'fastscnn-shared'))


def candidates(tmp_path, *files, **options):
    return candidates_of(SearchConfig([*files], tmp_path, **options))


def test_what_is_tested_is_not_learned(drives, tmp_path):
    root = {f'{split}_dataloader.dataset.data_root': str(drives) for split in ('train', 'val', 'test')}
    (found,) = candidates(tmp_path, NANO, iters=200, cfg_options=root)
    learned = [DATASETS.build(each) for each in inner_sets(found.config.train_dataloader.dataset)]
    assert [len(each) for each in learned] == [4, 2]  # of train, and of val
    assert {each.drives for each in learned} == {LEARNED}
    for target, (kind, _) in TARGETS.items():
        for drive, number in zip(LEFT_OUT, (2, 3), strict=True):
            tested = [DATASETS.build(each) for each in inner_sets(found.of_test(target, drive).test_dataloader.dataset)]
            assert [len(each) for each in tested] == [number, 0]
            assert {type(each).__name__ for each in tested} == {kind}
            assert {each.keep_classes for each in tested} == {False}
    plain = inner_sets(found.of_seed(0).test_dataloader.dataset)  # a test leaves the candidate as it is
    assert [each.drives for each in plain] == [[*LEFT_OUT]] * 2
    assert found.of_seed(0).log_level == 'INFO'


def test_the_heads_are_found_by_their_classes(tmp_path):
    human = NANO.replace('vehicle', 'human')
    one, other, peer = candidates(tmp_path, NANO, human, FAST)
    assert one.heads == peer.heads == {'vehicle': 'decode_head', 'human': 'auxiliary_head.0'}
    assert other.heads == {'vehicle': 'auxiliary_head.0', 'human': 'decode_head'}


def test_a_candidate_has_its_seed_and_iterations(tmp_path):
    (found,) = candidates(tmp_path, NANO, iters=300)
    config = found.of_seed(7)
    assert config.randomness == dict(seed=7)
    assert config.train_cfg.max_iters == config.param_scheduler[-1].end == 300
    assert config.train_cfg.val_begin > 300
    assert 'randomness' not in found.config
    (full,) = candidates(tmp_path, NANO, cfg_options={'randomness.deterministic': True})
    assert full.config.train_cfg.max_iters == 12000
    assert full.of_seed(7).randomness == dict(seed=7, deterministic=True)


def test_the_head_of_a_target_is_tested_in_the_place_of_the_main_head(tmp_path):
    (found,) = candidates(tmp_path, NANO, cfg_options={'model.auxiliary_head.0.channels': 8})
    main, other = found.config.model.decode_head, found.config.model.auxiliary_head[0]
    assert found.of_test('vehicle', '0001TP').model == found.config.model
    swapped = found.of_test('human', '0001TP').model
    assert swapped.decode_head == other
    assert swapped.auxiliary_head == [main, *found.config.model.auxiliary_head[1:]]
    lone = found.of_seed(0)
    lone.model.auxiliary_head = lone.model.auxiliary_head[0]
    lone.dump(tmp_path / 'lone.py')
    (lone,) = candidates(tmp_path, str(tmp_path / 'lone.py'))
    assert lone.heads['human'] == 'auxiliary_head'
    assert lone.of_test('human', '0001TP').model.decode_head == other


def of_page(page, section, tmp_path, *names):
    """Read the candidates that a section of a page shows, under these names."""
    text = (CONFIGS.parent / page).read_text().partition(f'\n{section}\n')[2]
    for name in names:
        block, _, text = text.partition('```python\n')[2].partition('```')
        (tmp_path / f'{name}.py').write_text(block)
    return candidates(tmp_path, *(str(tmp_path / f'{name}.py') for name in names))


def test_the_example_of_the_tools_page(tmp_path):
    (wide,) = of_page('tools/README.md', '## search.py', tmp_path, 'wide')
    assert wide.name == 'wide'
    assert MODELS.build(wide.config.model).backbone.context_path.backbone.out_channels == (32, 48, 96, 128)


def test_the_papers_comparisons_on_drives_left_out(tmp_path):
    resnet, entropy = of_page('configs/camvid/README.md', '### On drives left out', tmp_path, 'r18', 'ce')
    (lite,) = candidates(tmp_path, str(CONFIGS / 'camvid' / 'lite-shared_hinge_vehicle.py'))
    backbone = MODELS.build(resnet.config.model).backbone.context_path.backbone
    assert sum(p.numel() for p in backbone.parameters()) == 11_176_512  # torchvision's resnet18 less its fc
    assert [head.loss_decode.type for head in resnet.config.model.auxiliary_head] == [
        'BinaryHingeLoss',
        *['CrossEntropyLoss'] * 3,
    ]
    model = entropy.config.model
    losses = [head.loss_decode.type for head in (model.decode_head, model.auxiliary_head[0])]
    assert losses == ['CrossEntropyLoss'] * 2
    for head, of_lite in zip(
        (model.decode_head, *model.auxiliary_head),
        (lite.config.model.decode_head, *lite.config.model.auxiliary_head),
        strict=True,
    ):
        assert {**head, 'loss_decode': None} == {**of_lite, 'loss_decode': None}
    assert model.backbone == lite.config.model.backbone


def test_the_detail_head_finds_edges_while_the_others_learn_what_they_learn(tmp_path):
    (detail,) = of_page('configs/camvid/README.md', '### Other ways to train it', tmp_path, 'detail')
    (plain,) = candidates(tmp_path, NANO)
    model, without = MODELS.build(detail.config.model), MODELS.build(plain.config.model)
    require_fitting_heads(model, SimpleNamespace(kept_classes=range(11), keep_classes=True, foreground=[8]))
    label = torch.zeros(1, 64, 96, dtype=torch.long)
    label[:, 20:40, 30:60] = 8
    batch = torch.randn(2, 3, 64, 96), [SegDataSample(gt_sem_seg=PixelData(data=label))] * 2
    losses = model.loss(*batch)
    assert losses.keys() - without.loss(*batch).keys() == {f'aux_4.{name}' for name in ('loss_ce', 'loss_dice', 'acc_seg')}
    losses['aux_4.loss_ce'].backward()
    assert model.backbone.detail_fusion.fine.conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ('files', 'options', 'message'),
    [
        (['missing.py'], {}, 'missing.py: there is no such'),
        (
            [str(CONFIGS / 'camvid' / 'lite_hinge_vehicle.py')],
            {},
            r'lite_hinge_vehicle.py: no head has foreground=\(8,\), vehicles; a candidate',
        ),
        ([str(CONFIGS / 'own' / 'lite_hinge.py')], {}, 'no head has foreground='),
        ([NANO], dict(iters=50), '--iters 50: the learning rate warms up for longer'),
        ([NANO], dict(cfg_options={'randomness.seed': 1}), 'randomness.seed: --seeds sets the seed'),
        ([NANO], dict(cfg_options={'work_dir': 'a'}), '--cfg-options work_dir: --out sets the folder'),
        ([NANO], dict(cfg_options={'val_dataloader.dataset.drives': 'a'}), 'the search sets the folders and the drives'),
        ([NANO], dict(cfg_options={'optim_wrapper.optimizer.lrr': 1}), "takes no 'lrr'"),
        ([NANO], dict(cfg_options={'train_cfg.val_interval': 5}), 'only the end of a training is tested'),
        ([NANO], dict(cfg_options={'test_dataloader.dataset.type': 'A'}), 'the search tests both targets'),
        ([NANO], dict(cfg_options={'test_evaluator.type': 'IoUMetric'}), 'its metric is no BinaryIoUMetric'),
        ([NANO], dict(cfg_options={'model.auxiliary_head.0.foreground': (9,)}), r'no head has foreground=\(9, 10\), humans'),
        (
            [NANO],
            dict(
                cfg_options={
                    'train_cfg._delete_': True,
                    'train_cfg.type': 'EpochBasedTrainLoop',
                    'train_cfg.max_epochs': 2,
                    'param_scheduler': [],
                }
            ),
            'it does not train by iterations',
        ),
    ],
)
def test_wrong_input_is_one_line(tmp_path, monkeypatch, files, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        candidates(tmp_path, *files, **options)


def test_two_files_of_one_name_are_refused(tmp_path):
    (tmp_path / 'a').mkdir()
    copy = shutil.copy(NANO, tmp_path / 'a')
    with pytest.raises(InputError, match='rename one; candidates go by the names of their files'):
        candidates(tmp_path, NANO, copy)
    assert len(candidates(tmp_path, NANO, NANO.replace('/camvid/', '/own/../camvid/'))) == 1
