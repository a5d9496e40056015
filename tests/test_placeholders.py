"""What a download left in place of a photograph."""

import numpy as np
from data_makers import drawn, encoded, shared
from PIL import Image, ImageDraw

from torchbeam.data.facts import examine
from torchbeam.data.load import load_data
from torchbeam.data.placeholders import placeholders


def sign(background: str = "#f7f7f7") -> bytes:
    """A GIF that says that there is no picture."""
    picture = Image.new("RGB", (300, 300), background)
    ImageDraw.Draw(picture).text((90, 140), "NO IMAGE", fill="black")
    return encoded(picture.convert("P"), "GIF")


def photographs(count: int):
    return [examine(encoded(drawn(number, (120, 90)), "JPEG"), f"{number}.jpg") for number in range(count)]


def test_a_flat_drawing_among_photographs_is_found():
    facts = [*photographs(30), examine(sign(), "none.gif")]
    assert placeholders(facts) == [30]


def test_a_drawing_full_of_shapes_is_none():
    colourful = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).convert("P")
    assert placeholders([*photographs(30), examine(encoded(colourful, "GIF"), "full.gif")]) == []


def test_where_drawings_are_common_none_is_odd():
    facts = [*photographs(10), examine(sign(), "a.gif"), examine(sign("#eeeeee"), "b.gif")]
    assert placeholders(facts) == []


def test_a_flat_photograph_is_a_photograph():
    flat = examine(encoded(Image.new("RGB", (90, 90), "white"), "JPEG"), "white.jpg")
    assert placeholders([*photographs(30), flat]) == []


def test_the_one_among_the_real_ants_is_set_aside():
    data = load_data(shared("data", "hymenoptera"))
    assert [bad.path for bad in data.skipped] == ["train/ants/imageNotFound.gif"]
    assert len(data.records) == 397
