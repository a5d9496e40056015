"""Weights that others have published for networks of the zoo: where they lie, how their file is known, how pictures
were prepared for them, and how good they are.

The figures are torchvision's own (its weights' `meta` and `transforms`), written out because importing torchvision
takes seconds. Of its several sets the first one, IMAGENET1K_V1, is taken: trained as the papers say, and all prepared
alike.
"""

import re
from dataclasses import dataclass
from typing import Literal

from torchbeam.design.zoo import find

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Interpolation = Literal["bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True, slots=True)
class Published:
    """One published set of weights, with as many scores as ImageNet has classes unless `classes` says otherwise.

    url: the file's address; of a network of the zoo its name alone, for which torchvision knows the address (see
    `foreign.address_of`).

    top1: the publisher's accuracy on ImageNet's validation pictures, one crop, a share; None where none is told.
    parameters and macs: of the network as it predicts, at `size`, side heads left out. Preparation: the picture's short
    side becomes `resize` pixels by `interpolation`, the middle size x size is cut out, divided by 255, less `mean`,
    over `std`.
    """

    name: str
    url: str
    top1: float | None
    parameters: int
    macs: int
    size: int = 224
    resize: int = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: Interpolation = "bilinear"
    classes: int = 1000
    licence: str = "BSD-3-Clause"

    @property
    def file(self) -> str:
        """What the file is called."""
        return self.url.rpartition("/")[2]

    @property
    def sha256_prefix(self) -> str:
        """The first hex digits of the file's SHA-256, as its name tells them; '' where it does not."""
        told = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", self.file)
        return told[1] if told else ""

    @property
    def shown(self) -> float:
        """The share of the resized short side that is cut out."""
        return self.size / self.resize


def published(name: str) -> Published | None:
    """What is known of the weights published for a network of the zoo, or None; its url is '' where it is one of
    PREPARED. Names ignore case, '-' and '_'."""
    known = find(name)
    return (PUBLISHED | PREPARED).get(known.name) if known else None


PUBLISHED: dict[str, Published] = {
    row.name: row
    for row in (
        Published("alexnet", "alexnet-owt-7be5be79.pth", 0.56522, 61_100_840, 714_188_480),
        Published("vgg-11", "vgg11-8a719046.pth", 0.6902, 132_863_336, 7_609_090_048),
        Published("vgg-13", "vgg13-19584684.pth", 0.69928, 133_047_848, 11_308_466_176),
        Published("vgg-16", "vgg16-397923af.pth", 0.71592, 138_357_544, 15_470_264_320),
        Published("vgg-19", "vgg19-dcbb9e9d.pth", 0.72376, 143_667_240, 19_632_062_464),
        # Trained in TensorFlow on numbers from -1 to 1: torchvision's network brings ImageNet's normalised pictures
        # there itself (transform_input); ours is given them so.
        Published(
            "googlenet",
            "googlenet-1378be20.pth",
            0.69778,
            6_624_904,
            1_498_376_192,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        Published("resnet-18", "resnet18-f37072fd.pth", 0.69758, 11_689_512, 1_814_073_344),
        Published("resnet-34", "resnet34-b627a593.pth", 0.73314, 21_797_672, 3_663_761_408),
        Published("resnet-50", "resnet50-0676ba61.pth", 0.7613, 25_557_032, 4_089_184_256),
        Published("resnet-101", "resnet101-63fe2227.pth", 0.77374, 44_549_160, 7_801_405_440),
        Published("resnet-152", "resnet152-394f9c45.pth", 0.78312, 60_192_808, 11_513_626_624),
        Published("squeezenet-1.0", "squeezenet1_0-b66bff10.pth", 0.58092, 1_248_424, 818_924_576),
        Published("squeezenet-1.1", "squeezenet1_1-b8a52dc0.pth", 0.58178, 1_235_496, 349_151_936),
        Published("mobilenet-v2", "mobilenet_v2-b0353104.pth", 0.71878, 3_504_872, 300_774_272),
    )
}


def _elsewhere(
    name: str, parameters: int, macs: int, size: int, resize: int, classes: int, licence: str, cubic: bool
) -> Published:
    """Weights without a file to fetch: `cubic` as timm prepares these, else as the CIFAR ResNets' own authors."""
    mean, std = ((0.5,) * 3, (0.5,) * 3) if cubic else (IMAGENET_MEAN, IMAGENET_STD)
    way: Interpolation = "bicubic" if cubic else "bilinear"
    return Published(name, "", None, parameters, macs, size, resize, mean, std, way, classes, licence)


# Networks whose weights are put in by name and lie on a hub, not as a file of their own: how pictures are prepared for
# them, of timm's tf_in1k and a1h_in1k (resnet-v2-152 as its sisters), and of akamaster/pytorch_resnet_cifar10.
PREPARED: dict[str, Published] = {
    row.name: row
    for row in (
        _elsewhere("inception-v4", 42_679_816, 12_253_974_624, 299, 341, 1000, "Apache-2.0", cubic=True),
        _elsewhere("resnet-v2-50", 25_549_352, 4_089_184_256, 224, 235, 1000, "Apache-2.0", cubic=True),
        _elsewhere("resnet-v2-101", 44_541_480, 7_801_405_440, 224, 235, 1000, "Apache-2.0", cubic=True),
        _elsewhere("resnet-v2-152", 60_185_128, 11_513_626_624, 224, 235, 1000, "Apache-2.0", cubic=True),
        _elsewhere("resnet-20", 269_722, 40_551_040, 32, 32, 10, "BSD-2-Clause", cubic=False),
        _elsewhere("resnet-32", 464_154, 68_862_592, 32, 32, 10, "BSD-2-Clause", cubic=False),
        _elsewhere("resnet-44", 658_586, 97_174_144, 32, 32, 10, "BSD-2-Clause", cubic=False),
        _elsewhere("resnet-56", 853_018, 125_485_696, 32, 32, 10, "BSD-2-Clause", cubic=False),
        _elsewhere("resnet-110", 1_727_962, 252_887_680, 32, 32, 10, "BSD-2-Clause", cubic=False),
    )
}
