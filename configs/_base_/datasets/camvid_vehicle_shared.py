# CamVid with all its classes in the labels of train, in other colours; tests see two classes.
_base_ = './camvid_vehicle.py'
groups = ((8,), (9, 10))  # numbers of CamVid's classes: vehicles, humans
train_pipeline = _base_.train_pipeline
train_pipeline[2].update(foreground_prob=0.8, foreground=groups)
train_pipeline.insert(3, dict(type='FastPhotoMetricDistortion'))
train_dataloader = dict(dataset=dict(keep_classes=True, pipeline=train_pipeline))
