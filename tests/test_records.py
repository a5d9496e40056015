from pathlib import Path

import numpy as np
import pytest

from torchbeam.data.pictures import Array, Files
from torchbeam.data.records import PARTS, Pictures, Record


def test_both_ways_of_holding_pictures_are_pictures():
    held: list[Pictures] = [Files(Path(), ("a.png",)), Array(np.zeros((1, 2, 2), np.uint8))]
    asked = {name for name in vars(Pictures) if not name.startswith("_")}
    assert asked == {"content", "image", "facts"}
    assert all(hasattr(one, name) for one in held for name in asked)


def test_a_record_cannot_be_changed_and_has_no_part_unless_its_source_says_so():
    record = Record("cat/1.jpg", 0)
    assert record.part == "" and record.part not in PARTS
    with pytest.raises(AttributeError):
        record.label = 1  # type: ignore[misc]
