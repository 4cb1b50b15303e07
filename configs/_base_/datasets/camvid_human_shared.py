_base_ = './camvid_vehicle_shared.py'
dataset_type = 'CamVidHumanDataset'
train_dataloader = dict(dataset=dict(type=dataset_type))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = val_dataloader
