"""ResNet: layers that learn what to add to their input."""

from torchbeam.design.zoo.network import Network

_PAPER = "He, Zhang, Ren & Sun, 'Deep Residual Learning for Image Recognition'"
_INTRODUCED = "shortcuts around every few layers, so that deeper is better; {depth} layers"

# The paper's table 1, with option B (1x1 convolutions) where the depth changes. The stride of a bottleneck is on its
# 3x3 as in torchvision (so the last layers see 427 pixels); the paper has it on the first 1x1 (483).
_BOTTLENECK = """
INPUT 224x224x3 fit crop
-> unit 64 7x7 2 -> RELU -> POOL max 3x3 stride 2 pad 1
-> stage1: [first 64 256 1 -> [block 64 256]*{a}]
-> stage2: [first 128 512 2 -> [block 128 512]*{b}]
-> stage3: [first 256 1024 2 -> [block 256 1024]*{c}]
-> stage4: [first 512 2048 2 -> [block 512 2048]*{d}]
-> POOL avg global -> FC classes
where
classes = 1000;
unit n f s = CONV n f stride s bias no -> BN;
main n m s = unit n 1x1 1 -> RELU -> unit n 3x3 s -> RELU -> unit m 1x1 1;
first n m s = ( main n m s + unit m 1x1 s ) -> RELU;
block n m = ( main n m 1 + SKIP ) -> RELU
"""

_BASIC = """
INPUT 224x224x3 fit crop
-> unit 64 7x7 2 -> RELU -> POOL max 3x3 stride 2 pad 1
-> stage1: [block 64]*{a}
-> stage2: [first 128 -> [block 128]*{b}]
-> stage3: [first 256 -> [block 256]*{c}]
-> stage4: [first 512 -> [block 512]*{d}]
-> POOL avg global -> FC classes
where
classes = 1000;
unit n f s = CONV n f stride s bias no -> BN;
main n s = unit n 3x3 s -> RELU -> unit n 3x3 1;
first n = ( main n 2 + unit n 1x1 2 ) -> RELU;
block n = ( main n 1 + SKIP ) -> RELU
"""


def _resnet(depth: int, text: str, parameters: int, published: str) -> Network:
    return Network(f"resnet-{depth}", 2015, _PAPER, _INTRODUCED.format(depth=depth), text, parameters, published)


RESNET_18 = _resnet(
    18,
    _BASIC.format(a=2, b=1, c=1, d=1),
    11_689_512,
    "1.8 billion multiply-accumulates; 27.88 % top-1 validation error, ten crops",
)
RESNET_34 = _resnet(
    34,
    _BASIC.format(a=3, b=3, c=5, d=2),
    21_797_672,
    "3.6 billion multiply-accumulates; 24.52 % top-1 and 7.46 % top-5 validation error, ten crops",
)
RESNET_50 = _resnet(
    50,
    _BOTTLENECK.format(a=2, b=3, c=5, d=2),
    25_557_032,
    "3.8 billion multiply-accumulates; 22.85 % top-1 and 6.71 % top-5 validation error, ten crops",
)
RESNET_101 = _resnet(
    101,
    _BOTTLENECK.format(a=2, b=3, c=22, d=2),
    44_549_160,
    "7.6 billion multiply-accumulates; 21.75 % top-1 and 6.05 % top-5 validation error, ten crops",
)
RESNET_152 = _resnet(
    152,
    _BOTTLENECK.format(a=2, b=7, c=35, d=2),
    60_192_808,
    "11.3 billion multiply-accumulates; 21.43 % top-1 and 5.71 % top-5 validation error, ten crops",
)
