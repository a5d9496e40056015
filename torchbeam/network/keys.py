"""Which module of a published state dict is which layer here, written out for every family and origin.

The order of a state dict is that of registration, not of execution, and branches share shapes: guessing by order or
shape can put weights in the wrong place without a word. So each map says 'our layer': 'their module'; what a module
holds (weight, bias, running_mean, ...) has the same name on both sides.
"""

from collections.abc import Callable, Iterable

Keys = dict[str, str]


def _normed(scope: str, theirs: Iterable[tuple[str, str]], first: int = 1) -> Keys:
    """conv1 and bn1, conv2 and bn2, ... of a scope, from pairs of (their convolution, their batch norm)."""
    keys: Keys = {}
    for number, (conv, norm) in enumerate(theirs, first):
        keys[f"{scope}conv{number}"] = conv
        keys[f"{scope}bn{number}"] = norm
    return keys


def _alexnet() -> Keys:
    convs = {f"conv{number}": f"features.{at}" for number, at in enumerate((0, 3, 6, 8, 10), 1)}
    return convs | {"fc1": "classifier.1", "fc2": "classifier.4", "fc3": "classifier.6"}


def _vgg(*repeats: int) -> Keys:
    """features counts every convolution, its ReLU, and the pool behind each stage."""
    keys: Keys = {}
    at = 0
    for times in repeats:
        for _ in range(times):
            keys[f"conv{len(keys) + 1}"] = f"features.{at}"
            at += 2
        at += 1
    return keys | {"fc1": "classifier.0", "fc2": "classifier.3", "fc3": "classifier.6"}


def _googlenet() -> Keys:
    keys = _normed("", [(f"conv{n}.conv", f"conv{n}.bn") for n in (1, 2, 3)])
    branches = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        scope = f"inception{module}."
        keys |= _normed(scope, [(f"{scope}{branch}.conv", f"{scope}{branch}.bn") for branch in branches])
    for head in ("aux1", "aux2"):
        keys |= _normed(f"{head}.", [(f"{head}.conv.conv", f"{head}.conv.bn")])
        keys |= {f"{head}.fc1": f"{head}.fc1", f"{head}.fc2": f"{head}.fc2"}
    return keys | {"fc1": "fc"}


def _resnet(blocks: tuple[int, int, int, int], convs: int) -> Keys:
    """convs: convolutions of a block. A block that changes the depth has its shortcut's behind its own."""
    keys: Keys = {"conv1": "conv1", "bn1": "bn1", "fc1": "fc"}
    for stage, count in enumerate(blocks, 1):
        theirs: list[tuple[str, str]] = []
        for block in range(count):
            here = f"layer{stage}.{block}"
            theirs += [(f"{here}.conv{n}", f"{here}.bn{n}") for n in range(1, convs + 1)]
            if block == 0 and not (stage == 1 and convs == 2):  # basic blocks keep the depth in the first stage
                theirs.append((f"{here}.downsample.0", f"{here}.downsample.1"))
        keys |= _normed(f"stage{stage}.", theirs)
    return keys


def _resnet_cifar(blocks: int) -> Keys:
    keys: Keys = {"conv1": "module.conv1", "bn1": "module.bn1", "fc1": "module.linear"}
    for stage in (1, 2, 3):
        pairs = [(f"module.layer{stage}.{block}", n) for block in range(blocks) for n in (1, 2)]
        keys |= _normed(f"stage{stage}.", [(f"{here}.conv{n}", f"{here}.bn{n}") for here, n in pairs])
    return keys


def _resnet_v2(*blocks: int) -> Keys:
    """Every block norms before each of its convolutions; the shortcut's convolution has no norm and comes last."""
    keys: Keys = {"conv1": "stem.conv", "bn1": "norm", "fc1": "head.fc"}
    for stage, count in enumerate(blocks, 1):
        scope, conv, norm = f"stage{stage}.", 0, 0
        for block in range(count):
            here = f"stages.{stage - 1}.blocks.{block}"
            for n in (1, 2, 3):
                conv, norm = conv + 1, norm + 1
                keys |= {f"{scope}conv{conv}": f"{here}.conv{n}", f"{scope}bn{norm}": f"{here}.norm{n}"}
            if block == 0:
                conv += 1
                keys[f"{scope}conv{conv}"] = f"{here}.downsample.conv"
    return keys


def _squeezenet(*fires: int) -> Keys:
    """fires: the places in features of fire2 to fire9."""
    keys: Keys = {"conv1": "features.0", "conv2": "classifier.1"}
    for number, at in enumerate(fires, 2):
        for conv, theirs in enumerate(("squeeze", "expand1x1", "expand3x3"), 1):
            keys[f"fire{number}.conv{conv}"] = f"features.{at}.{theirs}"
    return keys


def _mobilenet_v2() -> Keys:
    """features.1 has nothing to expand; from features.2 on a block expands, filters and projects."""
    keys = _normed("", [("features.0.0", "features.0.1"), ("features.18.0", "features.18.1")])
    first = "features.1.conv."
    keys |= _normed("stage1.", [(f"{first}0.0", f"{first}0.1"), (f"{first}1", f"{first}2")])
    at = 2
    for stage, blocks in enumerate((2, 3, 4, 3, 3, 1), 2):
        theirs: list[tuple[str, str]] = []
        for _ in range(blocks):
            here = f"features.{at}.conv."
            theirs += [(f"{here}0.0", f"{here}0.1"), (f"{here}1.0", f"{here}1.1"), (f"{here}2", f"{here}3")]
            at += 1
        keys |= _normed(f"stage{stage}.", theirs)
    return keys | {"fc1": "classifier.1"}


_STEM = (
    "0", "1", "2", "3.conv", "4.branch0.0", "4.branch0.1", "4.branch1.0", "4.branch1.1", "4.branch1.2", "4.branch1.3",
    "5.conv",
)  # fmt: skip
_A = ("branch0", "branch1.0", "branch1.1", "branch2.0", "branch2.1", "branch2.2", "branch3.1")
_B = (
    "branch0", "branch1.0", "branch1.1", "branch1.2",
    "branch2.0", "branch2.1", "branch2.2", "branch2.3", "branch2.4", "branch3.1",
)  # fmt: skip
_C = (
    "branch0", "branch1_0", "branch1_1a", "branch1_1b",
    "branch2_0", "branch2_1", "branch2_2", "branch2_3a", "branch2_3b", "branch3.1",
)  # fmt: skip
_REDUCE_1 = ("branch0", "branch1.0", "branch1.1", "branch1.2")
_REDUCE_2 = ("branch0.0", "branch0.1", "branch1.0", "branch1.1", "branch1.2", "branch1.3")


def _inception_v4() -> Keys:
    places = {
        "stem.": _STEM,
        "stage1.": [f"{at}.{branch}" for at in range(6, 10) for branch in _A],
        "reduce1.": [f"10.{branch}" for branch in _REDUCE_1],
        "stage2.": [f"{at}.{branch}" for at in range(11, 18) for branch in _B],
        "reduce2.": [f"18.{branch}" for branch in _REDUCE_2],
        "stage3.": [f"{at}.{branch}" for at in range(19, 22) for branch in _C],
    }
    keys: Keys = {"fc1": "last_linear"}
    for scope, theirs in places.items():
        keys |= _normed(scope, [(f"features.{here}.conv", f"features.{here}.bn") for here in theirs])
    return keys


# Each origin's networks, by their name here.
ORIGINS: dict[str, dict[str, Callable[[], Keys]]] = {
    "torchvision": {
        "alexnet": _alexnet,
        "vgg-11": lambda: _vgg(1, 1, 2, 2, 2),
        "vgg-13": lambda: _vgg(2, 2, 2, 2, 2),
        "vgg-16": lambda: _vgg(2, 2, 3, 3, 3),
        "vgg-19": lambda: _vgg(2, 2, 4, 4, 4),
        "googlenet": _googlenet,
        "resnet-18": lambda: _resnet((2, 2, 2, 2), 2),
        "resnet-34": lambda: _resnet((3, 4, 6, 3), 2),
        "resnet-50": lambda: _resnet((3, 4, 6, 3), 3),
        "resnet-101": lambda: _resnet((3, 4, 23, 3), 3),
        "resnet-152": lambda: _resnet((3, 8, 36, 3), 3),
        "squeezenet-1.0": lambda: _squeezenet(3, 4, 5, 7, 8, 9, 10, 12),
        "squeezenet-1.1": lambda: _squeezenet(3, 4, 6, 7, 9, 10, 11, 12),
        "mobilenet-v2": _mobilenet_v2,
    },
    "timm": {
        "inception-v4": _inception_v4,
        "resnet-v2-50": lambda: _resnet_v2(3, 4, 6, 3),
        "resnet-v2-101": lambda: _resnet_v2(3, 4, 23, 3),
        "resnet-v2-152": lambda: _resnet_v2(3, 8, 36, 3),
    },
    # The CIFAR ResNets of github.com/akamaster/pytorch_resnet_cifar10, saved from a data-parallel module.
    "pytorch_resnet_cifar10": {
        "resnet-20": lambda: _resnet_cifar(3),
        "resnet-32": lambda: _resnet_cifar(5),
        "resnet-44": lambda: _resnet_cifar(7),
        "resnet-56": lambda: _resnet_cifar(9),
        "resnet-110": lambda: _resnet_cifar(18),
    },
}
