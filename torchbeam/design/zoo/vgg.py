"""VGG: nothing but 3x3 convolutions and 2x2 pools, deeper and deeper."""

from torchbeam.design.zoo.network import Network

_PAPER = "Simonyan & Zisserman, 'Very Deep Convolutional Networks for Large-Scale Image Recognition'"

# The paper's table 1. The adaptive pool is torchvision's, for pictures of other sizes; at 224 it changes nothing.
_TEXT = """
INPUT 224x224x3 fit crop
-> {stages}
-> POOL avg to 7x7
-> FC 4096 -> RELU -> DROPOUT 0.5
-> FC 4096 -> RELU -> DROPOUT 0.5
-> FC classes
where
classes = 1000;
unit n = CONV n 3x3 pad 1 -> RELU;
halve = POOL max 2x2 stride 2
"""


def _vgg(letter: str, repeats: tuple[int, int, int, int, int], parameters: int, published: str) -> Network:
    widths = (64, 128, 256, 512, 512)
    stages = [f"[unit {width}]*{times} -> halve" for width, times in zip(widths, repeats, strict=True)]
    depth = sum(repeats) + 3
    return Network(
        name=f"vgg-{depth}",
        year=2014,
        paper=_PAPER,
        introduced=f"stacks of 3x3 convolutions in place of larger filters; configuration {letter}, {depth} layers",
        text=_TEXT.format(stages="\n-> ".join(stages)),
        parameters=parameters,
        published=published,
    )


VGG_11 = _vgg("A", (1, 1, 2, 2, 2), 132_863_336, "29.6 % top-1 and 10.4 % top-5 validation error, one scale")
VGG_13 = _vgg("B", (2, 2, 2, 2, 2), 133_047_848, "28.7 % top-1 and 9.9 % top-5 validation error, one scale")
VGG_16 = _vgg("D", (2, 2, 3, 3, 3), 138_357_544, "25.6 % top-1 and 8.1 % top-5 validation error, one scale")
VGG_19 = _vgg("E", (2, 2, 4, 4, 4), 143_667_240, "25.5 % top-1 and 8.0 % top-5 validation error, one scale")
