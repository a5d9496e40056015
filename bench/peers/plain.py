"""Plain PyTorch, as its own examples write it: fp32, DataLoader, torchvision's transforms on each picture.

`python -m bench.peers.plain speed FOLDER WORKERS EPOCHS` trains the lecture's network on CIFAR-10's binary files.
`python -m bench.peers.plain MNIST|FashionMNIST ROOT SEED EPOCHS` is the example examples/mnist: its network, Adadelta
at 1.0 times 0.7 each epoch, batches of 64, the test part measured after each epoch.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adadelta, Optimizer
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from bench.peers.given import BATCH, CLASSES, GREY, LR, MEAN, MOMENTUM, SIDE, STD, read_drawn, say

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# As the example has it: workers only where a GPU does the sums.
LOADING: dict[str, Any] = (
    {"num_workers": 1, "persistent_workers": True, "pin_memory": True} if DEVICE.type == "cuda" else {}
)
Loss = Callable[[Tensor, Tensor], Tensor]


class Drawn(Dataset[tuple[Tensor, int]]):
    """Pictures in memory, each changed when it is asked for, as torchvision.datasets.CIFAR10 does."""

    def __init__(self, folder: Path) -> None:
        self.pictures_NHWC, self.labels = read_drawn(folder)
        changes = [T.RandomCrop(SIDE, padding=4), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, STD)]
        self.change = T.Compose(changes)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture: Any = Image.fromarray(self.pictures_NHWC[index])
        return self.change(picture), int(self.labels[index])


class Net(nn.Module):
    """The example's network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Logarithms of probabilities, N x 10."""
        x = F.relu(self.conv2(F.relu(self.conv1(x_NCHW))))
        x = torch.flatten(self.dropout1(F.max_pool2d(x, 2)), 1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def lecture() -> nn.Sequential:
    """[CONV-BN-RELU-CONV-BN-RELU-POOL]*3 -> FC, 32, 64 and 128 filters of 3x3."""
    layers: list[nn.Module] = []
    depth = 3
    for filters in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(depth, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
            depth = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(depth * (SIDE // 8) ** 2, CLASSES))


def one_epoch(network: nn.Module, loader: DataLoader[Any], optimiser: Optimizer, loss_of: Loss) -> None:
    network.train()
    for pictures, labels in loader:
        optimiser.zero_grad()
        loss_of(network(pictures.to(DEVICE)), labels.to(DEVICE)).backward()
        optimiser.step()


def accuracy(network: nn.Module, loader: DataLoader[Any], count: int) -> float:
    network.eval()
    with torch.no_grad():
        right = [(network(pictures.to(DEVICE)).argmax(1).cpu() == labels).sum().item() for pictures, labels in loader]
    return sum(right) / count


def speed(folder: Path, workers: int, epochs: int) -> None:
    pictures, network = Drawn(folder), lecture().to(DEVICE)
    loader = DataLoader(
        pictures, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    optimiser = SGD(network.parameters(), LR, momentum=MOMENTUM, nesterov=True)
    for epoch in range(1, epochs + 1):
        one_epoch(network, loader, optimiser, F.cross_entropy)
        say({"epoch": epoch, "pictures": len(loader) * BATCH})


def example(dataset: str, root: Path, seed: int, epochs: int) -> None:
    torch.manual_seed(seed)
    change = T.Compose([T.ToTensor(), T.Normalize((GREY[dataset][0],), (GREY[dataset][1],))])
    pictures = {"MNIST": torchvision.datasets.MNIST, "FashionMNIST": torchvision.datasets.FashionMNIST}[dataset]
    learnt, tested = pictures(str(root), True, change), pictures(str(root), False, change)
    loader = DataLoader(learnt, 64, shuffle=True, **LOADING)
    testing = DataLoader(tested, 1000, **LOADING)
    network = Net().to(DEVICE)
    optimiser = Adadelta(network.parameters(), lr=1.0)
    schedule = StepLR(optimiser, step_size=1, gamma=0.7)
    for epoch in range(1, epochs + 1):
        one_epoch(network, loader, optimiser, F.nll_loss)
        say({"epoch": epoch, "pictures": len(learnt), "score": accuracy(network, testing, len(tested))})
        schedule.step()


def main() -> None:
    what, folder, number, epochs = sys.argv[1:]
    say({"with": f"torch {torch.__version__}, {torch.get_num_threads()} threads, {DEVICE.type}"})
    if what == "speed":
        speed(Path(folder), int(number), int(epochs))
    else:
        example(what, Path(folder), int(number), int(epochs))


if __name__ == "__main__":
    main()
