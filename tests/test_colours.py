"""VOC's colours, against those printed in its development kit."""

from torchbeam.data.colours import colour, palette

# aeroplane to tvmonitor as the development kit's colour map gives them.
VOC = {
    0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 5: (128, 0, 128),
    6: (0, 128, 128), 7: (128, 128, 128), 8: (64, 0, 0), 9: (192, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128),
    255: (224, 224, 192),
}  # fmt: skip


def test_colours_are_vocs():
    assert {number: colour(number) for number in VOC} == VOC


def test_the_palette_is_all_256_and_no_two_alike():
    shades = palette()
    colours = {tuple(shades[at : at + 3]) for at in range(0, 768, 3)}
    assert len(shades) == 768 and len(colours) == 256
    assert shades[3:6] == [128, 0, 0]
    assert all(0 <= shade <= 255 for shade in shades)
