# What tools/make_toy_cityscapes.py renders; images of 384x192.
_base_ = './cityscapes_vehicle.py'
data_root = 'data/toy/'
crop_size = (192, 192)  # (height, width)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    # No random scale: five of them take longer to learn than a quick start lasts.
    dict(type='RandomResizeCropFlip', scale_factors=(1.0,), crop_size=crop_size),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
