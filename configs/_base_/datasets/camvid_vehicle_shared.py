# CamVid with all its classes in the labels of train, in other colours; tests see two classes.
_base_ = './camvid_vehicle.py'
groups = ((8,), (9, 10))  # numbers of CamVid's classes: vehicles, humans
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomResizeCropFlip',
        scale_factors=(0.75, 1.0, 1.5, 1.75, 2.0),
        crop_size=_base_.crop_size,
        foreground_prob=0.8,
        foreground=groups,
    ),
    dict(type='FastPhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(keep_classes=True, pipeline=train_pipeline))
