"""Hooks for the training and test loops, and the optimiser wrapper."""

from mmseg_bisenet_lite.engine.auto_amp_optim_wrapper import AutoAmpOptimWrapper
from mmseg_bisenet_lite.engine.calibrated_decision_hook import CalibratedDecisionHook
from mmseg_bisenet_lite.engine.finite_training_hook import FiniteTrainingHook
from mmseg_bisenet_lite.engine.foreground_weight_hook import ForegroundWeightHook
from mmseg_bisenet_lite.engine.graceful_stop_hook import GracefulStopHook
from mmseg_bisenet_lite.engine.label_check_hook import LabelCheckHook
from mmseg_bisenet_lite.engine.strict_checkpoint_hook import StrictCheckpointHook
from mmseg_bisenet_lite.engine.threshold_hook import ThresholdHook

__all__ = [
    'AutoAmpOptimWrapper',
    'CalibratedDecisionHook',
    'FiniteTrainingHook',
    'ForegroundWeightHook',
    'GracefulStopHook',
    'LabelCheckHook',
    'StrictCheckpointHook',
    'ThresholdHook',
]
