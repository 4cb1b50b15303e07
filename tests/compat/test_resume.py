import os

import pytest
import torch
from mmengine.config import Config

from mmseg_bisenet_lite.compat import saved_checkpoints
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.slow
@pytest.mark.parametrize(
    ('sampler', 'diff_rank_seed'),
    [('SeededInfiniteSampler', False), ('SeededInfiniteSampler', True), ('InfiniteSampler', False)],
)
def test_a_resumed_run_goes_on_with_the_data_where_it_ended(small_config, tmp_path, monkeypatch, sampler, diff_rank_seed):
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    from mmseg_bisenet_lite import CityscapesVehicleDataset

    loaded = []
    prepare_data = CityscapesVehicleDataset.prepare_data
    monkeypatch.setattr(CityscapesVehicleDataset, 'prepare_data', lambda self, i: loaded.append(i) or prepare_data(self, i))

    class Capture(Hook):
        def __init__(self):
            self.batches = []

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            names = [sample.img_path for sample in data_batch['data_samples']]
            drawn = [hash(pixels.numpy().tobytes()) for pixels in data_batch['inputs']]
            self.batches.append((batch_idx, names, drawn if sampler == 'SeededInfiniteSampler' else None))

    def run(folder, iters, **options):
        config = Config.fromfile(small_config)
        config.merge_from_dict(
            {
                'work_dir': str(tmp_path / folder),
                'experiment_name': f'{sampler}-{folder}-{iters}',
                'train_dataloader.num_workers': 0,
                'train_dataloader.persistent_workers': False,
                'train_dataloader.batch_size': 3,
                'train_dataloader.sampler': dict(type=sampler, shuffle=True),
                'train_dataloader.dataset.pipeline.2.crop_size': (32, 48),
                'model.data_preprocessor.size': (32, 48),
                'randomness.diff_rank_seed': diff_rank_seed,
                'train_cfg.max_iters': iters,
                'train_cfg.val_interval': 100,
                'default_hooks.checkpoint': dict(type='CheckpointHook', by_epoch=False, interval=1),
                'val_cfg': None,
                'val_dataloader': None,
                'val_evaluator': None,
                **options,
            }
        )
        config.optim_wrapper.keep_memory = False
        runner = Runner.from_cfg(config)
        runner.model.train_step = lambda data, optim_wrapper: dict(loss=torch.zeros(()))
        capture = Capture()
        runner.register_hook(capture)
        loaded.clear()
        runner.train()
        return capture.batches, runner.train_dataloader.sampler.seed

    begun, seed = run('interrupted', 4, **{'randomness.seed': None})
    resumed, resumed_seed = run('interrupted', 7, **{'randomness.seed': None, 'resume': True})
    assert resumed_seed == seed
    assert len(loaded) == 3 * 3  # only what is new
    whole, _ = run('whole', 7, **{'train_dataloader.sampler': dict(type=sampler, shuffle=True, seed=seed)})
    assert begun + resumed == whole
    assert [number for number, *_ in resumed] == [4, 5, 6]


def test_the_newest_checkpoint_that_loads_is_resumed(small_training, tmp_path):
    small_training(20).train()
    folder = tmp_path / 'run'
    for damage, resumed_from in (
        (lambda: None, 20),
        (lambda: (folder / 'last_checkpoint').unlink(), 20),
        (lambda: (folder / 'iter_20.pth').write_bytes((folder / 'iter_20.pth').read_bytes()[:1000]), 15),
        (lambda: (folder / 'last_checkpoint').write_text('/nowhere/iter_999.pth'), 15),
        (lambda: torch.save(dict(state_dict={}), folder / 'iter_15.pth'), 10),
        (lambda: spoil(folder / 'iter_10.pth'), 5),
    ):
        damage()
        runner = small_training(30, resume=True, step=lambda now: 1 / 0)
        told = []
        runner.logger.warning = told.append
        with pytest.raises(ZeroDivisionError):
            runner.train()
        assert runner.iter == resumed_from
        passed_over = [text for text in told if 'passed over' in text]
        files = [str(folder / f'iter_{step}.pth') for step in range(20, resumed_from, -5)]
        assert [text.split(':')[0] for text in passed_over] == files
        assert all(text.endswith(f'the training resumes from iter_{resumed_from}.pth') for text in passed_over)


def spoil(path):
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['state_dict']['weight'].fill_(float('nan'))
    torch.save(checkpoint, path)


def test_checkpoints_of_which_none_loads_are_an_error_and_stay(small_training, tmp_path):
    (tmp_path / 'run').mkdir()
    for step in (5, 10):
        (tmp_path / 'run' / f'iter_{step}.pth').write_bytes(b'cut')
    with pytest.raises(InputError, match=r'no checkpoint can be resumed: .*iter_10\.pth: .*iter_5\.pth: .*delete them'):
        small_training(20, resume=True).train()
    assert (tmp_path / 'run' / 'iter_5.pth').read_bytes() == b'cut'


def test_a_folder_without_checkpoints_is_told(small_training, tmp_path):
    runner = small_training(5, resume=True)
    told = []
    runner.logger.info = told.append
    runner.train()
    assert f'{tmp_path / "run"} holds no checkpoint to resume from: the training starts at the beginning' in told


def test_checkpoints_of_an_earlier_training_come_last(tmp_path):
    for number, step in enumerate((80, 20, 30)):
        file = tmp_path / f'iter_{step}.pth'
        file.touch()
        os.utime(file, (number, number))
    for name in ('iter_5.pth.tmp', 'best_mIoU_iter_90.pth', 'iter_x.pth'):
        (tmp_path / name).touch()
    assert [file.name for file in saved_checkpoints(tmp_path, 'iter_20.pth')] == ['iter_30.pth', 'iter_20.pth', 'iter_80.pth']
    assert [file.name for file in saved_checkpoints(tmp_path)] == ['iter_80.pth', 'iter_30.pth', 'iter_20.pth']


def test_names_and_folders_of_the_users_own_are_found(small_training, tmp_path):
    own = dict(filename_tmpl='step-{:04d}.pth', out_dir=str(tmp_path / 'elsewhere'))
    small_training(10, checkpoint=own).train()
    assert (tmp_path / 'elsewhere' / 'run' / 'step-0010.pth').is_file()
    runner = small_training(12, checkpoint=own, resume=True)
    runner.train()
    assert runner._load_from == str(tmp_path / 'elsewhere' / 'run' / 'step-0010.pth')
