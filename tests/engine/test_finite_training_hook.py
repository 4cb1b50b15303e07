import pytest
import torch
from mmengine.optim import OptimWrapper

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
    with pytest.raises(InputError, match='iteration 10 is not saved: the weight unused is NaN or infinite'):
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
