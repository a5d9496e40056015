"""The named architectures, in the notation, each with its paper and published figures."""

from torchbeam.design.zoo.lenet import LENET_5
from torchbeam.design.zoo.network import Network

# Every named network. Names ignore case, '-' and '_'.
NETWORKS: dict[str, Network] = {network.name: network for network in (LENET_5,)}


def find(name: str) -> Network | None:
    """The network of that name, or None."""
    return {_plain(known): network for known, network in NETWORKS.items()}.get(_plain(name))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
