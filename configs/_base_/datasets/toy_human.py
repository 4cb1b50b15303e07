_base_ = './toy_vehicle.py'
dataset_type = 'CityscapesHumanDataset'  # the 256x128 quarters of the images
crop_size = (128, 256)  # (height, width)
train_pipeline = _base_.train_pipeline
train_pipeline[3]['crop_size'] = crop_size
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = val_dataloader
