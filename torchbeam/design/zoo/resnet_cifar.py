"""The ResNets for CIFAR's small pictures: three stages of 2n layers, 6n + 2 in all."""

from torchbeam.design.zoo.network import Network

# Section 4.2 of the paper, with option A: a shortcut adds zero channels and takes every second pixel.
_TEXT = """
INPUT 32x32x3 fit crop
-> unit 16 1 -> RELU
-> stage1: [block 16]*n
-> stage2: [first 32 -> [block 32]*rest]
-> stage3: [first 64 -> [block 64]*rest]
-> POOL avg global -> FC classes
where
classes = 10;
n = {n};
rest = {rest};
unit m s = CONV m 3x3 stride s bias no -> BN;
first m = ( unit m 2 -> RELU -> unit m 1 + SHORTCUT m stride 2 ) -> RELU;
block m = ( unit m 1 -> RELU -> unit m 1 + SKIP ) -> RELU
"""


def _cifar(n: int, parameters: int, error: str) -> Network:
    depth = 6 * n + 2
    return Network(
        name=f"resnet-{depth}",
        year=2015,
        paper="He, Zhang, Ren & Sun, 'Deep Residual Learning for Image Recognition'",
        introduced=f"residual learning on CIFAR-10, {depth} layers on 32x32 pictures",
        text=_TEXT.format(n=n, rest=n - 1),
        parameters=parameters,
        published=f"{error} test error on CIFAR-10",
    )


RESNET_20 = _cifar(3, 269_722, "8.75 %")
RESNET_32 = _cifar(5, 464_154, "7.51 %")
RESNET_44 = _cifar(7, 658_586, "7.17 %")
RESNET_56 = _cifar(9, 853_018, "6.97 %")
RESNET_110 = _cifar(18, 1_727_962, "6.43 % (6.61 +- 0.16 % over five runs)")
