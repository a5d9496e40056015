"""What some format cannot hold, counted."""

import numpy as np
import pytest
from target_makers import Held, boxed, made

from torchbeam.data.records import UNLABELLED, Record, boxes
from torchbeam.data.regions import Outlines
from torchbeam.data.runlengths import runs_of
from torchbeam.data.targets import contents
from torchbeam.errors import DataError

STEPS = Outlines((np.array([(0, 0), (4, 0), (4, 4), (0, 4)], dtype=np.float64),))
SLOPE = Outlines((np.array([(0, 0), (4, 0), (4, 4)], dtype=np.float64),))
FINE = Outlines((np.array([(0, 0), (4.5, 0), (4.5, 4), (0, 4)]),))


def ring(height=18, width=24):
    """A square of 5 pixels with a hole of one."""
    mask = np.zeros((height, width), dtype=bool)
    mask[:5, :5] = True
    mask[2, 2] = False
    return runs_of(mask)


def of(*held, **options):
    return made([boxed(f"{number}", one) for number, one in enumerate(held)], **options)


def test_only_what_is_there_is_told():
    readable = made([Record("a", 0)])
    counters = [contents.unlabelled, contents.boxes, contents.shapes, contents.outlines, contents.covered]
    counters += [contents.masks, contents.difficult, contents.crowds, contents.fractions, contents.holed]
    counters += [contents.outside, contents.strangers, contents.order]
    assert [counter(readable) for counter in counters] == [{}] * len(counters)


def test_classes_of_whole_pictures_and_pictures_without():
    readable = made([Record("a", 0), Record("b", UNLABELLED), Record("c", 1)])
    assert contents.labels(readable) == {"classes of whole pictures": 2}
    assert contents.unlabelled(readable) == {"pictures without a class": 1}


def test_boxes_and_their_marks():
    one = boxes([(0, 0, 4, 4), (1, 1.5, 3, 4)], [0, 1], [None, FINE], [True, False], [True, True])
    two = boxes([(0, 0, 4, 4)], [0], [STEPS], [True])
    readable = of(one, two)
    assert contents.boxes(readable) == {"boxes": 3}
    assert contents.shapes(readable) == {"shapes of boxes": 2}
    assert contents.difficult(readable) == {"boxes marked difficult": 2}
    assert contents.crowds(readable) == {"boxes marked as crowds (iscrowd)": 2}
    assert contents.fractions(readable) == {"boxes with edges between pixels (rounded)": 1}


def test_outlines_along_pixels_are_no_finer_than_pixels():
    readable = of(boxes([(0, 0, 4, 4)] * 4, [0] * 4, [STEPS, SLOPE, FINE, ring()]))
    assert contents.outlines(readable) == {"outlines finer than pixels": 2}


def test_shapes_with_holes_and_those_under_another():
    readable = of(boxes([(0, 0, 5, 5), (0, 0, 4, 4)], [0, 1], [ring(), STEPS]))
    assert contents.holed(readable) == {"shapes with holes (filled)": 1}
    assert contents.covered(readable) == {"shapes partly under another": 1}


def test_what_boxes_do_not_hold_of_masks():
    mask = np.zeros((18, 24), np.int32)
    mask[0, 0], mask[5:7, 5:7], mask[10, 10], mask[17, 23] = -1, 1, 1, 2
    readable = made(
        [boxed("a", boxes([(4, 4, 8, 8)], [0]), masked=True), Record("b", 0, masked=True)],
        masks=Held({0: mask, 1: mask}),
    )
    assert contents.masks(readable) == {"masks": 2}
    assert contents.outside(readable) == {"masks with pixels to ignore": 2, "mask regions outside every box": 2}


def test_pictures_of_no_part_beside_others():
    assert contents.strangers(made([Record("a", 0), Record("b", 0)])) == {}
    readable = made([Record("a", 0, "val"), Record("b", 0), Record("c", 0, "train")])
    assert contents.strangers(readable) == {"pictures of no part (written as train)": 1}
    assert contents.parts_there(readable) == ["", "train", "val"]


def test_the_order_of_classes_and_those_nothing_is_of():
    classes = ("b", "a", "class 10", "class 9", "z")
    readable = made([Record(str(label), label) for label in range(4)], classes)
    assert contents.order(readable) == {"classes out of natural order (read back in it)": 4}
    assert contents.without_picture(readable) == {"classes without a picture": 1}
    readable = made([Record("a", UNLABELLED, boxes=boxes([(0, 0, 1, 1)] * 2, [0, 4]))], classes)
    assert contents.order(readable) == {}
    assert contents.without_picture(readable) == {"classes without a picture": 3}


def test_names_that_cannot_be_written_as_they_are():
    assert contents.renamed(("a", "b"), ("a", "b")) == {}
    assert contents.renamed(("a", "b:"), ("a", "b_")) == {"names of classes (written with other signs)": 1}


def test_pictures_of_which_nobody_knows_what_is_where():
    readable = made([Record("a", 0), boxed("b", boxes([], [])), Record("c", 0, masked=True)], masks=Held({}))
    assert contents.bare(readable) == {"pictures with neither boxes nor a mask (left out)": 1}


def test_formats_of_boxes_refuse_classes_alone():
    with pytest.raises(DataError, match="has neither boxes nor masks, which is what voc holds") as caught:
        contents.check_boxed(made([Record("a", 0)]), "voc")
    assert caught.value.remedy == "convert it to folder or csv"
    contents.check_boxed(of(boxes([], [])), "voc")


def test_formats_of_classes_refuse_boxes_alone():
    with pytest.raises(DataError, match="has no classes of whole pictures, which is what folder holds") as caught:
        contents.check_labelled(of(boxes([], [])), "folder")
    assert caught.value.got == "boxes or masks"
    contents.check_labelled(made([Record("a", UNLABELLED), Record("b", 1)]), "folder")
