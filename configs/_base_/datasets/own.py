# Images and masks of your own, of any sizes: each image is scaled to fit into `scale`, in training and in tests.
_base_ = './camvid_vehicle.py'  # which has the same folders
dataset_type = 'BinaryMaskDataset'
data_root = 'data/mine'
scale = (640, 480)  # (width, height); of an upright image (height, width)
crop_size = (320, 320)  # (height, width)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomResizeCropFlip',
        scale=scale,
        ratio_range=(0.75, 2.0),
        crop_size=crop_size,
        foreground_prob=0.5,
    ),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='LoadAnnotations'),  # after Resize, so that masks are compared at the size they have
    dict(type='PackSegInputs'),
]
# Around `scale`; whoever changes that in the pipelines changes it here too.
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1]['transforms'][0] = [
    dict(type='Resize', scale=(int(scale[0] * ratio), int(scale[1] * ratio)), keep_ratio=True) for ratio in _base_.img_ratios
]
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
