# Lite with hinge loss that learns two targets and all classes at once, for label maps that keep their classes. The main head
# learns the target of the config, the first auxiliary head the other; the network for inference is lite's.
_base_ = './lite_hinge.py'
vehicle, human = (8,), (9, 10)  # numbers of CamVid's classes
main = _base_.model.decode_head
all_classes = dict(type='ClassHead', num_classes=11, out_channels=11, loss_decode={**_base_.loss_decode, 'loss_weight': 0.4})
context = [{**head, **all_classes} for head in _base_.model.auxiliary_head]
model = dict(
    decode_head=dict(foreground=vehicle),
    auxiliary_head=[
        {**main, 'foreground': human},
        # The maps of the context path as in BiSeNet, and the fused one.
        *context,
        {**context[0], 'in_index': main.in_index, 'in_channels': main.in_channels},
    ],
)
