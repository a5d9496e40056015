"""The named architectures, in the notation, each with its paper and published figures."""

from torchbeam.design.zoo.alexnet import ALEXNET, ALEXNET_2012, ZFNET, ZFNET_WIDE
from torchbeam.design.zoo.googlenet import GOOGLENET, GOOGLENET_PAPER
from torchbeam.design.zoo.inception import INCEPTION_V4
from torchbeam.design.zoo.lenet import LENET_5
from torchbeam.design.zoo.mobilenet import MOBILENET_V2
from torchbeam.design.zoo.network import Network
from torchbeam.design.zoo.nin import NIN_CIFAR, NIN_IMAGENET
from torchbeam.design.zoo.resnet import RESNET_18, RESNET_34, RESNET_50, RESNET_101, RESNET_152
from torchbeam.design.zoo.resnet_cifar import RESNET_20, RESNET_32, RESNET_44, RESNET_56, RESNET_110
from torchbeam.design.zoo.resnet_v2 import RESNET_V2_50, RESNET_V2_101, RESNET_V2_152
from torchbeam.design.zoo.squeezenet import SQUEEZENET_1_0, SQUEEZENET_1_1
from torchbeam.design.zoo.vgg import VGG_11, VGG_13, VGG_16, VGG_19

# Every named network, oldest first. Names ignore case, '-' and '_'.
NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        LENET_5,
        ALEXNET_2012,
        ZFNET,
        ZFNET_WIDE,
        NIN_CIFAR,
        NIN_IMAGENET,
        ALEXNET,
        VGG_11,
        VGG_13,
        VGG_16,
        VGG_19,
        GOOGLENET_PAPER,
        GOOGLENET,
        RESNET_18,
        RESNET_34,
        RESNET_50,
        RESNET_101,
        RESNET_152,
        RESNET_20,
        RESNET_32,
        RESNET_44,
        RESNET_56,
        RESNET_110,
        RESNET_V2_50,
        RESNET_V2_101,
        RESNET_V2_152,
        INCEPTION_V4,
        SQUEEZENET_1_0,
        SQUEEZENET_1_1,
        MOBILENET_V2,
    )
}


def find(name: str) -> Network | None:
    """The network of that name, or None."""
    return {_plain(known): network for known, network in NETWORKS.items()}.get(_plain(name))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
