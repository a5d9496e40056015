"""The networks of torchvision, timm and akamaster by origin and our name: judges of the key maps."""

import timm
import torch
import torchvision.models as tv
from akamaster import Saved
from torch import nn

JUDGES = {
    "torchvision": {
        "alexnet": tv.alexnet,
        "vgg-11": tv.vgg11,
        "vgg-13": tv.vgg13,
        "vgg-16": tv.vgg16,
        "vgg-19": tv.vgg19,
        "googlenet": lambda: tv.googlenet(aux_logits=True, init_weights=False),
        "resnet-18": tv.resnet18,
        "resnet-34": tv.resnet34,
        "resnet-50": tv.resnet50,
        "resnet-101": tv.resnet101,
        "resnet-152": tv.resnet152,
        "squeezenet-1.0": tv.squeezenet1_0,
        "squeezenet-1.1": tv.squeezenet1_1,
        "mobilenet-v2": tv.mobilenet_v2,
    },
    "timm": {
        "inception-v4": lambda: timm.create_model("inception_v4", pretrained=False),
        "resnet-v2-50": lambda: timm.create_model("resnetv2_50", pretrained=False),
        "resnet-v2-101": lambda: timm.create_model("resnetv2_101", pretrained=False),
        "resnet-v2-152": lambda: timm.create_model("resnetv2_152", pretrained=False),
    },
    "pytorch_resnet_cifar10": {f"resnet-{6 * n + 2}": lambda n=n: Saved(n) for n in (3, 5, 7, 9, 18)},
}
PAIRS = [(origin, name) for origin, networks in JUDGES.items() for name in networks]


def on_meta(make):
    """What `make` makes, without its numbers."""
    with torch.device("meta"):
        return make()


def judge(origin: str, name: str) -> nn.Module:
    """The judge, without its numbers, set to predict."""
    return on_meta(JUDGES[origin][name]).eval()
