# What tools/make_toy_cityscapes.py renders; images of 512x256.
_base_ = './cityscapes_vehicle.py'
data_root = 'data/toy/'
crop_size = (192, 256)  # (height, width)
train_pipeline = _base_.train_pipeline
train_pipeline[3]['crop_size'] = crop_size
train_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
