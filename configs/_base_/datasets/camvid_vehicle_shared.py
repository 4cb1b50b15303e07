# CamVid with all its classes in the labels of train, in other light and through other lenses; tests see two classes.
_base_ = './camvid_vehicle.py'
groups = ((8,), (9, 10))  # numbers of CamVid's classes: vehicles, humans
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomResizeCropFlip',
        scale=(480, 360),  # (width, height)
        ratio_range=(0.5, 2.0),
        crop_size=_base_.crop_size,
        foreground_prob=0.5,
        foreground=groups,
    ),
    dict(type='FastPhotoMetricDistortion'),
    dict(
        type='KorniaAugment',
        augmentations=[
            dict(type='RandomGamma', gamma=(0.5, 2.0), p=0.5),
            dict(type='RandomPlanckianJitter', p=0.5),
            dict(type='RandomGaussianBlur', kernel_size=(7, 7), sigma=(0.3, 1.8), p=0.25),
            dict(type='RandomGaussianNoise', std=0.04, p=0.25),
        ],
    ),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(keep_classes=True, pipeline=train_pipeline))
