"""The CIFAR ResNets of github.com/akamaster/pytorch_resnet_cifar10, written down again: He et al. 2015, section 4.2,
with option A. Judges of the zoo's, and the architecture its published weights were trained in."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, depth, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(depth, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.changes = stride != 1 or depth != planes
        self.planes = planes

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.changes:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.planes // 4, self.planes // 4))
        return F.relu(out + x)


class CifarResNet(nn.Module):
    """6n + 2 layers deep."""

    def __init__(self, n):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(n)))
        self.layer2 = nn.Sequential(*(Block(16 if at == 0 else 32, 32, 2 if at == 0 else 1) for at in range(n)))
        self.layer3 = nn.Sequential(*(Block(32 if at == 0 else 64, 64, 2 if at == 0 else 1) for at in range(n)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        out = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(out.mean((2, 3)))


class Saved(nn.Module):
    """As the weights were saved: wrapped for several devices, so that every key begins with 'module.'."""

    def __init__(self, n):
        super().__init__()
        self.module = CifarResNet(n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)
