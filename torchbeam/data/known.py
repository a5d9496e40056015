"""The data sets that go by a name: where they are published, under which terms, and how their files are known."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torchbeam.data.archive import SUFFIXES, is_archive, place, unpacked
from torchbeam.data.fetch import check, fetch
from torchbeam.data.watch import Watch, unwatched
from torchbeam.errors import DataError, SettingError


@dataclass(frozen=True, slots=True)
class KnownFile:
    """One published file: its name, its addresses, tried in turn, its size in bytes and its digests, hex.

    md5 is what the publishers themselves state (torchvision carries the same); it tells accidents, not attacks,
    which sha256 does.
    """

    name: str
    urls: tuple[str, ...]
    md5: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name)
        digests = re.fullmatch(r"[0-9a-f]{32}", self.md5) and re.fullmatch(r"[0-9a-f]{64}", self.sha256)
        if not plain or not digests or not self.urls or self.size <= 0:
            raise SettingError(
                f"{self.name!r} is not told well enough to be fetched",
                expected="a plain name, an address, a size, and md5 and sha256 in small hex digits",
            )


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A published data set: either one archive, or files that lie side by side. origin: who made it, on what terms."""

    name: str
    files: tuple[KnownFile, ...]
    origin: str

    def __post_init__(self) -> None:
        if not self.files or (len(self.files) > 1 and any(file.name.endswith(SUFFIXES) for file in self.files)):
            raise SettingError(
                f"the data set {self.name} cannot be laid out as one folder",
                expected="one archive, or files that are none",
                got=", ".join(file.name for file in self.files) or "no file",
            )

    @property
    def size(self) -> int:
        """How many bytes are fetched."""
        return sum(file.size for file in self.files)


def named(name: str, table: Mapping[str, KnownSet] | None = None) -> KnownSet | None:
    """The data set of that name, or None; case, '-' and '_' do not matter ('CIFAR-10' is cifar10)."""
    plain = _plain(name)
    return next((known for key, known in (KNOWN if table is None else table).items() if _plain(key) == plain), None)


def get(name: str, cache: Path, watch: Watch = unwatched, table: Mapping[str, KnownSet] | None = None) -> Path:
    """The folder with the files of a known data set, fetched and unpacked unless they are in `cache` already.

    Files put into `cache/known/<name>` by hand count when they are the published ones. table: other sets than
    KNOWN. Raises DataError for an unknown name, and where no address gives the file; OutOfRoom, OutputError.
    """
    known = named(name, table)
    if known is None:
        names = list(KNOWN if table is None else table)
        near = difflib.get_close_matches(name, names, 1)
        raise DataError(
            f"no data set is known by the name {name}",
            expected=", ".join(names),
            remedy=f"did you mean {near[0]}?" if near else "name one of these, or a folder of pictures",
        )
    folder = cache / "known" / known.name
    for file in known.files:
        _get_file(file, folder, cache, watch)
    first = folder / known.files[0].name
    return unpacked(first, cache, watch) if is_archive(first) else folder


def _get_file(file: KnownFile, folder: Path, cache: Path, watch: Watch) -> None:
    to = folder / file.name
    if to.exists():
        if not (is_archive(to) and place(to, cache).is_dir()):  # what has been unpacked was checked before
            check(to, sha256=file.sha256, md5=file.md5, size=file.size)
        return
    failed = []
    for url in file.urls:
        try:
            fetch(url, to, sha256=file.sha256, md5=file.md5, size=file.size, watch=watch)
            return
        except DataError as error:
            failed.append(f"{url}: {error.what}" + (f" ({error.got})" if error.got else ""))
    raise DataError(
        f"{file.name} could not be fetched from any of its addresses",
        got="\n".join(failed),
        remedy=f"get {file.urls[0]} on another machine\nand put it into {folder} as {file.name},\n"
        "or name a folder that holds the data",
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


# Sizes and sha256 as TensorFlow Datasets publishes them (url_checksums/), md5 as torchvision does.
_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FASHION = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
_STL10 = ("https://ai.stanford.edu/~acoates/stl10/", "https://cs.stanford.edu/~acoates/stl10/")


def _file(name: str, below: tuple[str, ...], size: int, md5: str, sha256: str) -> KnownFile:
    return KnownFile(name, tuple(base + name for base in below), md5, sha256, size)


KNOWN: dict[str, KnownSet] = {
    "mnist": KnownSet(
        "mnist",
        (
            _file(
                "train-images-idx3-ubyte.gz",
                _MNIST,
                9_912_422,
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            _file(
                "train-labels-idx1-ubyte.gz",
                _MNIST,
                28_881,
                "d53e105ee54ea40749a09fcbcd1e9432",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            _file(
                "t10k-images-idx3-ubyte.gz",
                _MNIST,
                1_648_877,
                "9fb629c4189551a2d022fa330f9573f3",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            _file(
                "t10k-labels-idx1-ubyte.gz",
                _MNIST,
                4_542,
                "ec29112dd5afa0611ce80d1b7f02629c",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        "LeCun, Cortes & Burges, The MNIST database of handwritten digits; no licence stated by its authors",
    ),
    "fashion-mnist": KnownSet(
        "fashion-mnist",
        (
            _file(
                "train-images-idx3-ubyte.gz",
                _FASHION,
                26_421_880,
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            _file(
                "train-labels-idx1-ubyte.gz",
                _FASHION,
                29_515,
                "25c81989df183df01b3e8a0aad5dffbe",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            _file(
                "t10k-images-idx3-ubyte.gz",
                _FASHION,
                4_422_102,
                "bef4ecab320f06d8554ea6380940ec79",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            _file(
                "t10k-labels-idx1-ubyte.gz",
                _FASHION,
                5_148,
                "bb300cfdad3c16e7a12a480ee83cd310",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        "Xiao, Rasul & Vollgraf, Fashion-MNIST, arXiv:1708.07747 (Zalando); MIT licence",
    ),
    # The binary versions: the ones for Python are pickles.
    "cifar10": KnownSet(
        "cifar10",
        (
            _file(
                "cifar-10-binary.tar.gz",
                ("https://www.cs.toronto.edu/~kriz/",),
                170_052_171,
                "c32a1d4ab5d03f1284b67883e8d87530",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; no licence stated",
    ),
    "cifar100": KnownSet(
        "cifar100",
        (
            _file(
                "cifar-100-binary.tar.gz",
                ("https://www.cs.toronto.edu/~kriz/",),
                168_513_733,
                "03b5dce01913d631647c71ecec9e9cb8",
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            ),
        ),
        "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; no licence stated",
    ),
    "stl10": KnownSet(
        "stl10",
        (
            _file(
                "stl10_binary.tar.gz",
                _STL10,
                2_640_397_119,
                "91f7769df0f17e558f3565bffb0c7dfb",
                "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
            ),
        ),
        "Coates, Lee & Ng, STL-10, AISTATS 2011; pictures from ImageNet, for research",
    ),
}
