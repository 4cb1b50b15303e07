_base_ = './camvid_vehicle_trainval.py'
dataset_type = 'CamVidHumanDataset'
train_sets, test_sets = _base_.train_dataloader.dataset.datasets, _base_.val_dataloader.dataset.datasets
train_dataloader = dict(dataset=dict(datasets=[{**each, 'type': dataset_type} for each in train_sets]))
val_dataloader = dict(dataset=dict(datasets=[{**each, 'type': dataset_type} for each in test_sets]))
test_dataloader = val_dataloader
