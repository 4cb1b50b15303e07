_base_ = './cityscapes_vehicle.py'
dataset_type = 'CityscapesHumanDataset'  # the 1024x512 quarters of the photographs
crop_size = (512, 1024)  # (height, width)
train_pipeline = _base_.train_pipeline
train_pipeline[2]['crop_size'] = crop_size
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = val_dataloader
