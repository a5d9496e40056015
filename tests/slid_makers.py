"""Layers of every kind that has a window, each with a picture that it takes."""

import torch
from torch import nn

from torchbeam.network.blocks import AvgPool, L2Pool, MaxPool


def conv(into, out, *args, **named):
    return lambda: nn.Conv2d(into, out, *args, **named)


LAYERS = {
    "conv": (conv(3, 4, 3), (3, 7, 8)),
    "conv, strides and pads": (conv(2, 4, (3, 2), (2, 3), (1, 2)), (2, 8, 9)),
    "conv, dilated": (conv(2, 3, 3, padding=2, dilation=(2, 3)), (2, 9, 9)),
    "conv, grouped": (conv(6, 4, 3, padding=1, groups=2), (6, 5, 6)),
    "conv, depthwise": (conv(3, 6, 3, 2, 1, groups=3, bias=False), (3, 7, 7)),
    "conv, same": (conv(1, 2, (2, 4), padding="same"), (1, 6, 5)),
    "conv, valid": (conv(1, 2, 2, padding="valid"), (1, 6, 5)),
    "conv, reflecting": (conv(2, 2, 3, padding=2, padding_mode="reflect"), (2, 5, 6)),
    "conv, replicating": (conv(2, 2, 3, padding=2, padding_mode="replicate"), (2, 5, 6)),
    "conv, round": (conv(2, 2, 3, padding=2, padding_mode="circular"), (2, 5, 6)),
    "conv, what is dropped": (conv(1, 1, 3, 3), (1, 8, 10)),
    "fc": (lambda: nn.Linear(6, 4), (6,)),
    "fc over tokens": (lambda: nn.Linear(6, 4, bias=False), (5, 6)),
    "fc over places": (lambda: nn.Linear(6, 4), (3, 2, 6)),
    "max": (lambda: nn.MaxPool2d(2), (3, 6, 6)),
    "max, padded and dilated": (lambda: nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True), (2, 9, 8)),
    "avg": (lambda: nn.AvgPool2d(3, 2, 1), (2, 7, 8)),
    "avg, valid": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 7, 8)),
    "avg, beyond the end": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 8, 6)),
    "avg, its own divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), (2, 4, 4)),
    "adaptive avg": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 7, 5)),
    "adaptive max": (lambda: nn.AdaptiveMaxPool2d(3), (2, 7, 5)),
    "global avg": (lambda: nn.AdaptiveAvgPool2d(1), (3, 4, 6)),
    "norm": (lambda: nn.LPPool2d(2, 2), (2, 4, 4)),
    "our max": (lambda: MaxPool((3, 3), (2, 2), (0, 1, 1, 0)), (2, 6, 6)),
    "our avg": (lambda: AvgPool((3, 2), (2, 2), (0, 1, 1, 1), (0, 0, 1, 0)), (2, 6, 5)),
    "our norm": (lambda: L2Pool((2, 2), (2, 2), (1, 0, 0, 1)), (2, 5, 5)),
}


def made(name, seed=0):
    """(a network with that layer as '0', in evaluation; a picture for it)."""
    torch.manual_seed(seed)
    make, shape = LAYERS[name]
    network = nn.Sequential(make()).eval()
    return network, torch.randn(1, *shape)


def state_of(network):
    """What looking must leave alone."""
    return (
        {name: tensor.clone() for name, tensor in network.state_dict().items()},
        [module.training for module in network.modules()],
        [weight.grad for weight in network.parameters()],
        sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in network.modules()),
    )


def same_state(one, other):
    (tensors, *rest), (others, *more) = one, other
    return rest == more and all(torch.equal(tensors[name], others[name]) for name in tensors | others)
