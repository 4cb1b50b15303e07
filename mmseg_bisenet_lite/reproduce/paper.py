"""The paper's accuracies."""

# mIoU over the two classes in %, by network, loss and target, on Cityscapes. Source: the paper's Table 6 and its text.
ACCURACIES = {
    ('lite', 'ce', 'human'): 87.82,
    ('lite', 'ce', 'vehicle'): 94.82,
    ('lite', 'hinge', 'human'): 89.23,
    ('lite', 'hinge', 'vehicle'): 95.03,
    ('r18', 'ce', 'vehicle'): 95.86,
    ('r18', 'hinge', 'vehicle'): 96.40,
}
