import pytest
import torch
from mmengine.config import Config

pytestmark = pytest.mark.slow


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
