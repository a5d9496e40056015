"""What tests of the look room look at: small networks that see something, and pictures of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.look.subject import Subject, subject_of

SIDE = 16


def squares(count: int, seed: int, side: int = SIDE) -> tuple[Tensor, Tensor, Tensor]:
    """(pictures N, 3, side, side, classes N, corners N x 2): noise, and in it a square of 4 pixels, red, green or
    blue; of class 3 without one."""
    chance = torch.Generator().manual_seed(seed)
    x_NCHW = torch.randn(count, 3, side, side, generator=chance) * 0.3
    classes_N = torch.randint(0, 4, (count,), generator=chance)
    corners_N2 = torch.randint(0, side - 3, (count, 2), generator=chance)
    for x_CHW, colour, (top, left) in zip(x_NCHW, classes_N, corners_N2, strict=True):
        if colour < 3:
            x_CHW[colour, top : top + 4, left : left + 4] += 2
    return x_NCHW, classes_N, corners_N2


def small(norm: bool = True, classes: int = 3) -> nn.Sequential:
    """A network for such pictures that has learnt nothing, with batch norms that have lived."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8) if norm else nn.Identity(),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 12, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(12, classes),
    )
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 3)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


def learnt() -> nn.Sequential:
    """The same, trained on squares until it knows their colours."""
    network = small(classes=4)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    x_NCHW, classes_N, _ = squares(256, 1)
    for step in range(60):
        part = slice(step % 4 * 64, step % 4 * 64 + 64)
        optimiser.zero_grad()
        F.cross_entropy(network(x_NCHW[part]), classes_N[part]).backward()
        optimiser.step()
    network.zero_grad()
    return network.eval()


def square_subject(network: nn.Module, seed: int = 3) -> tuple[Subject, int, tuple[int, int]]:
    """(a square as a subject, its class, its corner). seed: of a picture that has a square."""
    x_NCHW, classes_N, corners_N2 = squares(1, seed)
    assert classes_N[0] < 3
    top, left = corners_N2[0].tolist()
    return subject_of(network, x_NCHW, classes=("red", "green", "blue", "none")), int(classes_N[0]), (top, left)


def state_of(network: nn.Module) -> list[object]:
    """Everything that looking must leave alone: numbers, layout, modes and gradients."""
    tensors = [*network.parameters(), *network.buffers()]
    numbers = [(id(each), each.detach().clone(), each.stride()) for each in tensors]
    return [numbers, [module.training for module in network.modules()], [w.grad for w in network.parameters()]]


def same_state(first: list[object], second: list[object]) -> bool:
    """Whether two states are the same, bit for bit."""
    (one, *rest), (other, *others) = first, second
    numbers = all(a[0] == b[0] and torch.equal(a[1], b[1]) and a[2] == b[2] for a, b in zip(one, other, strict=True))
    return numbers and rest[0] == others[0] and all(a is b for a, b in zip(rest[1], others[1], strict=True))
