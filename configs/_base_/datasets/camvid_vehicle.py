# CamVid as the SegNet tutorial lays it out; photographs of 480x360.
_base_ = './cityscapes_vehicle.py'
dataset_type = 'CamVidVehicleDataset'
data_root = 'data/camvid/'
crop_size = (240, 320)  # (height, width)
train_pipeline = _base_.train_pipeline
train_pipeline[2].update(crop_size=crop_size, foreground_prob=0.5)
train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='train', seg_map_path='trainannot'),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='val', seg_map_path='valannot'),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(boundary_ratio=0.02)
test_evaluator = val_evaluator
