import atexit
import multiprocessing
import os
import signal
import sys

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from torch.utils.data import DataLoader

from mmseg_bisenet_lite.engine.graceful_stop_hook import _protect_workers


def ask_at(iteration, number, processes=()):
    def step(now):
        if now == iteration:
            for process in (os.getpid(), *processes):
                os.kill(process, number)

    return step


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_iteration_and_the_training_goes_on_there(small_training, tmp_path, capsys, number):
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped:
        small_training(20, step=ask_at(7, number), checkpoint=dict(max_keep_ckpts=1)).train()
    assert stopped.value.code == 128 + number
    told = capsys.readouterr().err
    assert f'stopped by {number.name} after iteration 7; saved {tmp_path / "run" / "iter_7.pth"}: --resume' in told
    assert signal.getsignal(number) == before
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_7.pth']
    assert torch.load(tmp_path / 'run' / 'iter_7.pth', weights_only=False)['meta']['iter'] == 7
    seen = []
    resumed = small_training(10, resume=True, step=seen.append)
    resumed.train()
    assert seen == [8, 9, 10]


def test_what_is_saved_already_is_not_saved_again(small_training, tmp_path):
    runner = small_training(20, step=ask_at(10, signal.SIGTERM))
    with pytest.raises(SystemExit):
        runner.train()
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth')) == ['iter_10.pth', 'iter_5.pth']


def test_the_workers_live_until_the_iteration_is_saved(small_training, tmp_path):
    def ask(now):
        if now == 7:
            workers = [worker.pid for worker in runner.train_loop.dataloader_iterator._iterator._workers]
            ask_at(7, signal.SIGTERM, workers)(now)

    runner = small_training(20, step=ask, workers=2)
    with pytest.raises(SystemExit) as stopped:
        runner.train()
    assert stopped.value.code == 143
    assert (tmp_path / 'run' / 'iter_7.pth').is_file()


@pytest.mark.parametrize('out_dir', [None, 'elsewhere'])
@pytest.mark.parametrize(('sampler', 'first'), [('DefaultSampler', 5), ('SeededInfiniteSampler', 7)])
def test_an_epoch_begins_again_unless_the_sampler_can_go_on_within_it(small_training, tmp_path, sampler, first, out_dir):
    data = [torch.ones(1) for _ in range(8)]
    loader = dict(batch_size=2, num_workers=0, dataset=data, sampler=dict(type=f'mmseg.{sampler}', shuffle=False))
    by_epoch = dict(
        train_dataloader=loader,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        checkpoint=dict(by_epoch=True, interval=1, out_dir=out_dir and str(tmp_path / out_dir)),
    )
    with pytest.raises(SystemExit):
        small_training(0, step=ask_at(6, signal.SIGTERM), **by_epoch).train()
    assert sorted(path.name for path in (tmp_path / (out_dir or '') / 'run').glob('*.pth')) == ['epoch_1.pth', 'iter_6.pth']
    seen = []
    small_training(0, step=seen.append, resume=True, **by_epoch).train()
    assert seen == [*range(first, 13)]


@pytest.fixture
def validated_training(small_training):
    """Start a training with validations: ``validated_training(iterations, interval, metric, **options of small_training)``."""

    def start(iterations, interval, metric, **options):
        sampler = dict(type='DefaultSampler', shuffle=False)
        runner = small_training(
            iterations,
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=interval),
            val_cfg=dict(),
            val_dataloader=dict(batch_size=2, num_workers=0, dataset=[torch.ones(1)] * 8, sampler=sampler),
            val_evaluator=Evaluator(metric),
            **options,
        )
        runner.model.val_step = lambda data: [0]
        return runner

    return start


def test_a_validation_is_left(validated_training, tmp_path):
    class Metric(BaseMetric):
        def process(self, data_batch, data_samples):
            self.results.append(1)
            os.kill(os.getpid(), signal.SIGTERM)

        def compute_metrics(self, results):
            pytest.fail('the validation went on')

    runner = validated_training(20, 7, Metric())
    with pytest.raises(SystemExit) as stopped:
        runner.train()
    assert stopped.value.code == 143
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth')) == ['iter_5.pth', 'iter_7.pth']


@pytest.mark.parametrize('when', ['in the last iteration', 'in the last validation'])
def test_the_last_validation_is_finished(validated_training, tmp_path, when):
    class Metric(BaseMetric):
        def process(self, data_batch, data_samples):
            self.results.append(1)
            if when == 'in the last validation' and runner.iter == 10:
                os.kill(os.getpid(), signal.SIGTERM)

        def compute_metrics(self, results):
            return dict(mIoU=float(runner.iter))

    step = ask_at(10 if when == 'in the last iteration' else 99, signal.SIGTERM)
    runner = validated_training(10, 5, Metric(), step=step, checkpoint=dict(save_best='mIoU'))
    runner.train()
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth')) == [
        'best_mIoU_iter_10.pth',
        'iter_10.pth',
        'iter_5.pth',
    ]


def test_averaged_weights_do_not_take_the_place_of_the_trained_ones(validated_training, tmp_path):
    class Metric(BaseMetric):
        def process(self, data_batch, data_samples):
            os.kill(os.getpid(), signal.SIGTERM)

        def compute_metrics(self, results):
            return {}

    runner = validated_training(20, 7, Metric(), custom_hooks=[dict(type='EMAHook', momentum=0.5)])
    trained = []
    step = runner.model.train_step

    def train_step(*args, **kwargs):
        losses = step(*args, **kwargs)
        trained.append(runner.model.weight.item())
        return losses

    runner.model.train_step = train_step
    with pytest.raises(SystemExit):
        runner.train()
    saved = torch.load(tmp_path / 'run' / 'iter_7.pth', weights_only=False)
    assert saved['ema_state_dict']['module.weight'].item() == pytest.approx(trained[-1])  # EMAHook swaps the two in its files
    assert saved['state_dict']['weight'].item() != pytest.approx(trained[-1])


def exit_with_workers():
    atexit._clear()  # what this process has inherited
    loader = DataLoader([torch.ones(1)] * 8, num_workers=2)
    _protect_workers(loader)
    loader.batches = iter(loader)
    next(loader.batches)
    sys.modules['loader'] = loader  # it lives until the end, as the runner of a tool
    atexit._run_exitfuncs()  # multiprocessing's own function follows, at the end of the process


def test_workers_do_not_delay_the_exit():
    process = multiprocessing.get_context('fork').Process(target=exit_with_workers)
    process.start()
    process.join(20)
    assert process.exitcode == 0
