"""A frozen backbone as PyTorch's transfer-learning tutorial runs it: every picture through it again in each epoch.

`python -m bench.peers.tutorial TRAIN VAL WEIGHTS EPOCHS [tune]`: MobileNetV2 with the weights of a file, the tutorial's
crops and flips, batches of 4, SGD at 0.001 and momentum 0.9, times 0.1 after each 7 epochs, the second folder measured
after each. The backbone's batch norms stay in eval mode, as these weights need (the tutorial leaves them in training
mode, which takes their features away). tune: all weights learn, as in the tutorial's first part.
"""

import sys
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from bench.peers.given import say

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BATCH, WORKERS, LR, MOMENTUM = 4, 2, 0.001, 0.9


def loaders(train: str, val: str) -> tuple[DataLoader[Any], DataLoader[Any]]:
    end = [T.ToTensor(), T.Normalize(MEAN, STD)]
    learnt = ImageFolder(train, T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), *end]))
    tested = ImageFolder(val, T.Compose([T.Resize(256), T.CenterCrop(224), *end]))
    shuffled = DataLoader(learnt, BATCH, shuffle=True, num_workers=WORKERS)
    return shuffled, DataLoader(tested, BATCH, num_workers=WORKERS)


def backbone(weights: Path, classes: int, tuned: bool) -> nn.Module:
    network = torchvision.models.mobilenet_v2(weights=None)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    network.requires_grad_(tuned)
    network.classifier[1] = nn.Linear(network.last_channel, classes)
    return network


def main() -> None:
    train, val, weights, epochs, *rest = sys.argv[1:]
    torch.manual_seed(0)
    learnt, tested = loaders(train, val)
    network = backbone(Path(weights), len(learnt.dataset.classes), rest == ["tune"])  # type: ignore[attr-defined]
    optimiser = SGD([weight for weight in network.parameters() if weight.requires_grad], LR, MOMENTUM)
    schedule = StepLR(optimiser, step_size=7, gamma=0.1)
    say({"with": f"torch {torch.__version__}, {torch.get_num_threads()} threads"})
    for epoch in range(1, int(epochs) + 1):
        network.eval()  # see above
        for pictures, labels in learnt:
            optimiser.zero_grad()
            F.cross_entropy(network(pictures), labels).backward()
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            right = sum((network(pictures).argmax(1) == labels).sum().item() for pictures, labels in tested)
        say({"epoch": epoch, "score": right / len(tested.dataset)})  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
