# CamVid with all its classes in the labels of train, whose photographs are changed more; tests see two classes.
_base_ = './camvid_vehicle.py'
groups = ((8,), (9, 10))  # numbers of CamVid's classes: vehicles, humans
train_pipeline = _base_.train_pipeline
# Humans are the rarer and the harder: where a photograph shows both, two of three crops on a foreground are theirs.
train_pipeline[2].update(foreground_prob=0.8, foreground=groups + groups[1:])
train_pipeline[3:3] = [
    dict(type='FastPhotoMetricDistortion'),
    # Rain and bright light are left out, to test on.
    dict(
        type='RandomCorrupt',
        prob=0.5,
        kinds=dict(dark=(0.3, 0.9), blur=(0.5, 2.5), motion=(3, 13), noise=(2, 20), jpeg=(10, 60)),
    ),
]
train_dataloader = dict(dataset=dict(keep_classes=True, pipeline=train_pipeline))
