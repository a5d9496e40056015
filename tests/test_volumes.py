"""The picture of a network's volumes: its SVG taken apart, its sizes judged by torch and by hand."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
import torch
from net_texts import TEXT_OF, book_of
from torch import nn

from torchbeam.report.blocks import blocks_of
from torchbeam.report.gathered import MOST
from torchbeam.report.measures import TEXTS
from torchbeam.report.volumes import volumes_svg

SVG = "{http://www.w3.org/2000/svg}"


def picture(name):
    return ElementTree.fromstring(volumes_svg(book_of(TEXT_OF[name]), name))


def drawn(root):
    return [group for group in root.iter(f"{SVG}g") if "block" in group.get("class", "")]


def volumes(root):
    return [group.get("data-volume") for group in drawn(root)]


def words(root):
    return [text.text for text in root.iter(f"{SVG}text")]


def numbers(path):
    return list(map(float, re.findall(r"-?\d+\.?\d*", path.get("d"))))


def measures(group):
    """(thickness, height, slant) of a block, read off its front and its upper face."""
    front, above = (group.findall(f"{SVG}path[@class='edge {face}']")[-1] for face in ("front", "above"))
    _, _, thick, high, *_ = numbers(front)
    return thick, high, numbers(above)[2]


def outline(group):
    """(left, top, right, bottom) of all that is drawn of a block."""
    corners = []
    for front in group.findall(f"{SVG}path[@class='edge front']"):
        x, y, thick, high, *_ = numbers(front)
        corners += [(x, y), (x + thick, y + high)]
    for above in group.findall(f"{SVG}path[@class='edge above']"):
        x, y, across, up, thick, *_ = numbers(above)
        corners.append((x + across + thick, y + up))
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def room(text):
    """(left, top, right, bottom) of a text whose letters are as wide as those of the common fonts on average."""
    size, bold, _ = TEXTS[text.get("class")]
    wide = len(text.text) * size * (0.62 if bold else 0.58)
    x, baseline = float(text.get("x")), float(text.get("y"))
    left = x - wide / 2 if text.get("text-anchor") == "middle" else x
    return left, baseline - 0.8 * size, left + wide, baseline + 0.25 * size


def overlap(one, other):
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


# What is drawn.


def test_lenet_has_a_block_for_every_volume_of_the_paper():
    root = picture("lenet-5")
    # LeCun et al. 1998, figure 2: C1 6@28x28, S2 6@14x14, C3 16@10x10, S4 16@5x5, C5 120, F6 84, output 10.
    expected = ["32x32x1", "28x28x6", "14x14x6", "10x10x16", "5x5x16", "1x1x120", "1x1x84", "1x1x10"]
    assert volumes(root) == expected
    shown = words(root)
    assert [word for word in shown if word in expected] == expected
    assert {"CONV 6 5x5", "POOL avg 2x2", "stride 2", "CONV 120 5x5", "FC 84", "TANH"} <= set(shown)
    # The paper's counts for C1, C5 and F6; C3 connects every map with every map.
    assert {"156 parameters", "2,416 parameters", "48.1 k parameters", "10.2 k parameters"} <= set(shown)
    assert "sees 14x14" in shown


def test_alexnet_is_figure_2_of_the_paper():
    root = picture("alexnet")
    assert volumes(root) == [
        *("227x227x3", "55x55x96", "27x27x96", "27x27x256", "13x13x256", "13x13x384", "13x13x384", "13x13x256"),
        *("6x6x256", "1x1x4096", "1x1x4096", "1x1x1000"),
    ]
    shown = words(root)
    assert {"CONV 96 11x11", "stride 4", "POOL max 3x3", "stride 2", "sees 11x11", "34.9 k parameters"} <= set(shown)
    assert any("60,965,224 parameters" in word and "depth 8" in word for word in shown)


def test_the_volumes_are_those_that_torch_makes():
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2)]
    x, expected = torch.zeros(1, 3, 32, 32), ["32x32x3"]
    for layer in layers:
        x = layer(x)
        expected.append(f"{x.shape[3]}x{x.shape[2]}x{x.shape[1]}")
    assert volumes(picture("lecture")) == [*expected, "1x1x256", "1x1x10"]


@pytest.mark.parametrize("name", TEXT_OF)
def test_every_block_has_its_size_below_it_and_the_picture_is_small(name):
    root = picture(name)
    blocks = blocks_of(book_of(TEXT_OF[name]))
    assert volumes(root) == [str(block.volume) for block in blocks]
    assert 2 <= len(blocks) <= MOST
    sizes = [text for text in root.iter(f"{SVG}text") if text.get("class") == "size"]
    assert sorted(text.text for text in sizes) == sorted(volumes(root))
    for group, text in zip(drawn(root), sizes, strict=True):
        left, _, right, bottom = outline(group)
        assert float(text.get("x")) == pytest.approx((left + right) / 2, abs=0.2) and float(text.get("y")) > bottom
        assert text.text == group.get("data-volume")


@pytest.mark.parametrize("name", TEXT_OF)
def test_a_larger_volume_is_never_drawn_smaller(name):
    seen = [(list(map(int, g.get("data-volume").split("x"))), measures(g)) for g in drawn(picture(name))]
    for ((width, height, depth), one), ((other_width, other_height, other_depth), other) in combinations(seen, 2):
        for side, other_side, at in ((depth, other_depth, 0), (height, other_height, 1), (width, other_width, 2)):
            if side == other_side:
                assert one[at] == other[at]
            elif side > 1.1 * other_side or other_side > 1.1 * side:
                assert (one[at] > other[at]) == (side > other_side)
        assert one[0] > 0 and one[1] > 0 and one[2] > 0


def test_the_caption_tells_the_scale_and_the_blocks_keep_to_it():
    root = picture("alexnet")
    assert "square root of its channels" in " ".join(words(root))
    by_volume = dict(zip(volumes(root), map(measures, drawn(root)), strict=True))
    # 96 channels are 4 times 24, so twice as thick: here 384 against 96, and 4096 against 256.
    assert by_volume["13x13x384"][0] == pytest.approx(2 * by_volume["55x55x96"][0], abs=0.15)
    assert by_volume["1x1x4096"][0] == pytest.approx(4 * by_volume["6x6x256"][0], abs=0.3)
    assert by_volume["227x227x3"][1] == pytest.approx((227 / 13) ** 0.5 * by_volume["13x13x384"][1], abs=0.3)
    assert "fourth root of its channels" in " ".join(words(picture("huge")))


def test_the_window_of_the_first_convolution_is_to_scale_on_the_face_before():
    root = picture("lenet-5")
    window = numbers(next(path for path in root.iter(f"{SVG}path") if path.get("class") == "window"))
    _, high, slant = measures(drawn(root)[0])
    assert window[2] - window[0] == pytest.approx(slant * 5 / 32, abs=0.15)
    assert window[5] - window[3] == pytest.approx(high * 5 / 32, abs=0.15)


# The file.


@pytest.mark.parametrize("name", TEXT_OF)
def test_no_text_meets_another_or_a_block_and_none_leaves_the_picture(name):
    root = picture(name)
    _, _, width, height = map(float, root.get("viewBox").split())
    texts = [(text.text, room(text)) for text in root.iter(f"{SVG}text")]
    for said, (left, top, right, bottom) in texts:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, said
    for (said, one), (other_said, other) in combinations(texts, 2):
        assert not overlap(one, other), (said, other_said)
    for group in drawn(root):
        block = outline(group)
        assert block[0] >= 0 and block[1] >= 0 and block[2] <= width and block[3] <= height
        assert not [said for said, where in texts if overlap(block, where)]
    assert all(a[2] < b[0] or a[3] < b[1] for a, b in pairwise(map(outline, drawn(root))))


@pytest.mark.parametrize("name", TEXT_OF)
def test_the_file_stands_alone(name):
    text = volumes_svg(book_of(TEXT_OF[name]), name)
    assert text == volumes_svg(book_of(TEXT_OF[name]), name)
    assert text.count("http") == 1 and 'xmlns="http://www.w3.org/2000/svg"' in text
    assert "<script" not in text and "href" not in text and "url(" not in text and "nan" not in text
    root = ElementTree.fromstring(text)
    width, height = root.get("width"), root.get("height")
    assert root.get("viewBox") == f"0 0 {width} {height}" and int(width) <= 1320
    ground = root.find(f"{SVG}rect")
    assert (ground.get("width"), ground.get("height"), ground.get("fill")) == (width, height, "#fff")
    assert root.find(f"{SVG}title").text == f"{name}: its volumes" and root.find(f"{SVG}desc").text.startswith("input")


def test_side_heads_are_boxes_below_the_picture_of_their_block():
    boxes = [rect for rect in picture("inception").iter(f"{SVG}rect") if rect.get("class") == "head"]
    assert len(boxes) == 2 and all(float(box.get("width")) > 100 for box in boxes)


def test_what_others_wrote_is_escaped_and_kept_in_bounds():
    title = '<script>alert("1")</script> & \x00\ud800 ' + "W" * 5000
    text = volumes_svg(book_of("INPUT -> FC"), title)
    assert "<script" not in text and "&lt;script&gt;" in text and "\x00" not in text
    root = ElementTree.fromstring(text.encode())
    headline = next(text for text in root.iter(f"{SVG}text") if text.get("class") == "headline")
    assert room(headline)[2] <= float(root.get("width")) and "…" in headline.text


def test_a_picture_that_needs_more_rows_shows_where_it_goes_on():
    root = picture("alexnet")
    middles = sorted({round(sum(outline(group)[1::2]) / 2) for group in drawn(root)})
    assert middles[-1] - middles[0] > 100
    ways = [path for path in root.iter(f"{SVG}path") if path.get("class") == "way next"]
    assert len(ways) == 1 and "H" in ways[0].get("d") and "V" in ways[0].get("d")
