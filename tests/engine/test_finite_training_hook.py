import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper

from mmseg_bisenet_lite import FiniteTrainingHook
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_loss_that_is_not_finite_stops_the_training(small_training, tmp_path, value):
    def break_it(iteration):
        if iteration == 8:
            runner.model.weight.data.fill_(value)

    runner = small_training(20, step=break_it)
    with pytest.raises(InputError, match=rf'iteration 8, learning rate 0\.01: loss_line is {value}; lower optim_wrapper'):
        runner.train()
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_5.pth']


def test_weights_that_are_not_finite_are_not_saved(small_training, tmp_path):
    def break_it(iteration):
        if iteration == 8:
            runner.model.register_buffer('unused', torch.tensor([float('nan')]))

    runner = small_training(20, step=break_it)
    with pytest.raises(InputError, match='iteration 10: unused of the weights is not finite'):
        runner.train()
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_5.pth']


def test_an_overflow_of_scaled_gradients_does_not_stop(small_training, tmp_path):
    class Scaled(OptimWrapper):
        scaler = torch.amp.GradScaler('cpu', init_scale=2.0**127)

        def update_params(self, loss, **kwargs):
            self.scaler.scale(loss * 4).backward()
            overflows.append(not runner.model.weight.grad.isfinite())
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.zero_grad()

    overflows = []
    runner = small_training(5, optim_wrapper=dict(type=Scaled, optimizer=dict(type='SGD', lr=0.01)))
    runner.train()
    assert overflows == [True, True, False, False, False]
    assert (tmp_path / 'run' / 'iter_5.pth').is_file()


def test_other_entries_of_the_log_may_be_nan(small_training):
    runner = small_training(3)
    step = runner.model.train_step
    runner.model.train_step = lambda *args, **kwargs: {**step(*args, **kwargs), 'acc_seg': torch.tensor(float('nan'))}
    runner.train()


class Waiting(FiniteTrainingHook):
    """Takes its losses for those of a GPU."""

    def after_train_iter(self, *args, **kwargs):
        check, self._check = self._check, lambda: None
        super().after_train_iter(*args, **kwargs)
        self._check = check


def test_losses_that_wait_are_checked_before_anything_is_saved(small_training, tmp_path):
    def break_it(iteration):
        if iteration == 7:
            runner.model.weight.data.fill_(float('nan'))
        elif iteration == 8:
            runner.model.weight.data.fill_(1.0)

    hooks = dict(checkpoint=dict(type=CheckpointHook, by_epoch=False, interval=5), finite_training=dict(type=Waiting))
    runner = small_training(20, step=break_it, default_hooks=hooks)
    with pytest.raises(InputError, match=r'iteration 7, .*loss_line is nan'):
        runner.train()
    assert runner.iter == 9  # the tenth is the one that would have been saved
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_5.pth']


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_a_gpu_is_not_waited_for_in_each_iteration():
    from types import SimpleNamespace

    runner = SimpleNamespace(iter=0, optim_wrapper=SimpleNamespace(get_lr=lambda: dict(lr=[0.1])))
    hook, loss = FiniteTrainingHook(), torch.ones((), device='cuda')
    bad = loss * float('nan')
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        for runner.iter in range(48):
            hook.after_train_iter(runner, runner.iter, outputs=dict(loss=loss))
        hook.after_train_iter(runner, 48, outputs=dict(loss=bad))
    finally:
        torch.cuda.set_sync_debug_mode('default')
    with pytest.raises(InputError, match='loss is nan'):
        hook.after_train_iter(runner, 49, outputs=dict(loss=loss))
