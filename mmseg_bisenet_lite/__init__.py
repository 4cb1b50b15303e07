"""BiSeNet with the lite context path and hinge loss, as a plugin of MMSegmentation.

Importing the package registers its modules in MMSegmentation's registries. The package can be imported without
MMSegmentation too; then the parts that need it raise an ``ImportError`` that says what to install.
"""

# ruff: noqa: E402
from mmseg_bisenet_lite.utils.interrupts import quiet_imports  # isort: skip

quiet_imports()  # first, since the other imports take seconds

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.utils.malloc import keep_memory
from mmseg_bisenet_lite.version import __version__

if compat.host_problem() is None:
    compat.apply_fixes()
    from mmseg_bisenet_lite.apis.exported_segmentor import ExportedSegmentor
    from mmseg_bisenet_lite.apis.segmentor import init_model
    from mmseg_bisenet_lite.datasets import (
        BinaryMaskDataset,
        BinarySegDataset,
        CamVidBinaryDataset,
        CamVidHumanDataset,
        CamVidVehicleDataset,
        CityscapesBinaryDataset,
        CityscapesHumanDataset,
        CityscapesVehicleDataset,
        Corrupt,
        FastPhotoMetricDistortion,
        RandomCorrupt,
        RandomResizeCropFlip,
        SeededInfiniteSampler,
    )
    from mmseg_bisenet_lite.engine import (
        CalibratedDecisionHook,
        FiniteTrainingHook,
        ForegroundWeightHook,
        GracefulStopHook,
        LabelCheckHook,
        StrictCheckpointHook,
        ThresholdHook,
    )
    from mmseg_bisenet_lite.engine.auto_amp_optim_wrapper import AutoAmpOptimWrapper
    from mmseg_bisenet_lite.evaluation import BinaryIoUMetric
    from mmseg_bisenet_lite.models import BinaryHingeHead, BinaryHingeLoss, BiSeNetLite, ClassHead, LiteVGG, binary_hinge_loss
    from mmseg_bisenet_lite.models.decision import set_threshold

__all__ = [
    'AutoAmpOptimWrapper',
    'BiSeNetLite',
    'BinaryHingeHead',
    'BinaryHingeLoss',
    'BinaryIoUMetric',
    'BinaryMaskDataset',
    'BinarySegDataset',
    'CalibratedDecisionHook',
    'CamVidBinaryDataset',
    'CamVidHumanDataset',
    'CamVidVehicleDataset',
    'CityscapesBinaryDataset',
    'CityscapesHumanDataset',
    'CityscapesVehicleDataset',
    'ClassHead',
    'Corrupt',
    'ExportedSegmentor',
    'FastPhotoMetricDistortion',
    'FiniteTrainingHook',
    'ForegroundWeightHook',
    'GracefulStopHook',
    'LabelCheckHook',
    'LiteVGG',
    'RandomCorrupt',
    'RandomResizeCropFlip',
    'SeededInfiniteSampler',
    'StrictCheckpointHook',
    'ThresholdHook',
    '__version__',
    'binary_hinge_loss',
    'init_model',
    'keep_memory',
    'set_threshold',
]


def __getattr__(name: str) -> None:
    if name in __all__:
        raise ImportError(f'{name} needs MMSegmentation: {compat.host_problem()}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
