_base_ = 'mmseg::_base_/datasets/cityscapes_1024x1024.py'
dataset_type = 'CityscapesVehicleDataset'
crop_size = (1024, 1024)  # (height, width)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    # BiSeNet's five scales, as factors, so that they fit photographs of any size.
    dict(type='RandomResizeCropFlip', scale_factors=(0.75, 1.0, 1.5, 1.75, 2.0), crop_size=crop_size),
    dict(type='PackSegInputs'),
]
# Photographs are tested at the size they have.
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(type=dataset_type, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='BinaryIoUMetric', boundary_ratio=0.005)
test_evaluator = val_evaluator
