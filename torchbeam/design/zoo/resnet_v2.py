"""ResNet v2: norm and activation before the convolutions, so that the shortcut is an identity from end to end."""

from torchbeam.design.zoo.network import Network

_PAPER = "He, Zhang, Ren & Sun, 'Identity Mappings in Deep Residual Networks'"

# Figure 4 (e) of the paper. Where the depth changes, the shortcut's 1x1 takes the activated input, and the stride of a
# bottleneck is on its 3x3: both as in timm.
_TEXT = """
INPUT 224x224x3 fit crop
-> CONV 64 7x7 stride 2 bias no -> POOL max 3x3 stride 2 pad 1
-> stage1: [first 64 256 1 -> [block 64 256]*{a}]
-> stage2: [first 128 512 2 -> [block 128 512]*{b}]
-> stage3: [first 256 1024 2 -> [block 256 1024]*{c}]
-> stage4: [first 512 2048 2 -> [block 512 2048]*{d}]
-> BN -> RELU -> POOL avg global -> FC classes
where
classes = 1000;
plain n f s = CONV n f stride s bias no;
main n m s = plain n 1x1 1 -> BN -> RELU -> plain n 3x3 s -> BN -> RELU -> plain m 1x1 1;
first n m s = BN -> RELU -> ( main n m s + plain m 1x1 s );
block n m = ( BN -> RELU -> main n m 1 + SKIP )
"""


def _resnet_v2(depth: int, blocks: tuple[int, int, int, int], parameters: int, published: str) -> Network:
    a, b, c, d = (count - 1 for count in blocks)
    return Network(
        name=f"resnet-v2-{depth}",
        year=2016,
        paper=_PAPER,
        introduced=f"batch norm and ReLU before each convolution, a clean shortcut; {depth} layers",
        text=_TEXT.format(a=a, b=b, c=c, d=d),
        parameters=parameters,
        published=published,
    )


RESNET_V2_50 = _resnet_v2(50, (3, 4, 6, 3), 25_549_352, "not in the paper, which begins at 101 layers")
RESNET_V2_101 = _resnet_v2(101, (3, 4, 23, 3), 44_541_480, "no figure of its own in the paper")
RESNET_V2_152 = _resnet_v2(
    152, (3, 8, 36, 3), 60_185_128, "21.1 % top-1 and 5.5 % top-5 validation error at 320 pixels, one crop"
)
