"""What a target is given to write."""

import numpy as np
from target_makers import Held, boxed, made

from torchbeam.data.records import Record, boxes


def test_a_sample_without_a_mask_has_none():
    readable = made([Record("a", 0), Record("b", 1, masked=True)], masks=Held({1: np.ones((18, 24), np.int32)}))
    first, second = readable.samples
    assert readable.mask(first) is None
    assert (readable.mask(second) == 1).all()


def test_a_record_that_says_masked_without_masks_has_none():
    readable = made([boxed("a", boxes([], []), masked=True)])
    assert readable.mask(readable.samples[0]) is None
