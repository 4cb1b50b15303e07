from mmseg_bisenet_lite.datasets.transforms.loading import UNKNOWN
from mmseg_bisenet_lite.datasets.vocabulary import class_names, class_table


def test_classes_are_numbered_in_the_order_of_their_values():
    table = class_table({7: 'road', 26: 'car', 27: 'truck', 5: 'car', 0: None})
    assert class_names({7: 'road', 26: 'car', 27: 'truck', 5: 'car', 0: None}) == ('car', 'road', 'truck')
    assert [table[value] for value in (5, 26, 7, 27, 0, 1)] == [0, 0, 1, 2, 255, UNKNOWN]
