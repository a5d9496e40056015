"""Sharing through a hub: one model file goes up with a card made from it, one comes down and is proven.

The client is huggingface_hub (Apache-2.0), an extra, imported by name when it is asked for. Its telemetry is off, and
so is its Xet transfer, which keeps caches of its own. Nothing but .safetensors is ever taken, and it is run through
its digests and its stored pictures on this side, whatever the hub says of it.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from torchbeam.data.cachefolder import cache_folder
from torchbeam.errors import ModelFileError, OutputError, SettingError, TorchbeamError
from torchbeam.files import cannot_write
from torchbeam.jobs.modelcard import model_card
from torchbeam.jobs.predict import load_model
from torchbeam.network import modelfile
from torchbeam.version import __version__

FILE = "model.safetensors"
CARD = "README.md"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_COMMIT = re.compile(r"[0-9a-f]{40}")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What went up: the repository, the commit that holds it, and the SHA-256 of the model file's bytes."""

    repo: str
    commit: str
    url: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """All of it."""
        return {"repo": self.repo, "commit": self.commit, "url": self.url, "sha256": self.sha256}

    def __str__(self) -> str:
        """One line."""
        return f"{self.repo} holds the model now, commit {self.commit[:12]}: {self.url}"


def push(model: str | Path, repo: str, *, licence: str, private: bool = True, endpoint: str | None = None) -> Pushed:
    """Put a model file, or a run folder's, and a model card made from it into a repository OWNER/NAME of a hub.

    The file is proven first: digests, and its stored pictures run again. Nothing else of the run goes up; the file
    itself names its training pictures by fingerprints. The repository is made where there is none, private unless told
    otherwise. licence: its identifier, such as mit or cc-by-4.0. endpoint: the hub's address; None is the library's
    own, or $HF_ENDPOINT. Whoever may write is known to the library, by `hf auth login` or $HF_TOKEN.
    Raises SettingError for a name, licence or address that cannot be, or where the extra is missing; ModelFileError for
    a file that cannot be proven; OutputError where the hub cannot be reached, or does not take it.
    """
    _check_repo(repo)
    path = Path(model) / FILE if Path(model).is_dir() else Path(model)
    kept = modelfile.read(path)
    load_model(path)
    card = model_card(kept, licence, repo)
    library, hub = _hub(endpoint)
    parts = [
        library.CommitOperationAdd(path_in_repo=FILE, path_or_fileobj=str(path)),
        library.CommitOperationAdd(path_in_repo=CARD, path_or_fileobj=card.encode()),
    ]

    def put() -> Any:
        hub.create_repo(repo, private=private, exist_ok=True)
        return hub.create_commit(repo, parts, commit_message="A model of torchbeam")

    made = _asked(put, lambda got: _not_taken(repo, got))
    return Pushed(repo, str(made.oid), str(made.commit_url), _sha256(path))


def pull(repo: str, *, revision: str = "main", cache: str | Path | None = None, endpoint: str | None = None) -> Path:
    """The model file of a repository OWNER/NAME of a hub, in torchbeam's cache: CACHE/hub/OWNER--NAME/COMMIT.

    revision: a branch, a tag or a whole commit; one that is here already is taken from the cache, a whole commit
    without asking the hub. cache, endpoint: as elsewhere and as in `push`. The file comes down beside and takes its
    place by one rename, once its size and digest are those the hub says and it is proven as `load_model` proves one.
    Raises SettingError as `push` does, ModelFileError where the hub cannot be reached, has no such file, or one that
    cannot be proven; OutputError or OutOfRoom where the cache cannot be written.
    """
    _check_repo(repo)
    folder = cache_folder(cache) / "hub" / repo.replace("/", "--")
    here = folder / revision / FILE
    if _COMMIT.fullmatch(revision) and _is_proven(here):
        return here
    library, hub = _hub(endpoint)
    url = library.hf_hub_url(repo, FILE, revision=revision, endpoint=hub.endpoint)
    said = _asked(lambda: hub.get_hf_file_metadata(url=url), lambda got: _not_given(repo, revision, got))
    if not _COMMIT.fullmatch(said.commit_hash or ""):  # it becomes a folder's name
        raise _not_given(repo, revision, "an answer without a commit: this is no such hub")
    there = folder / said.commit_hash / FILE
    if _is_proven(there):
        return there
    try:
        there.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder) as beside:
            _fetch(hub, repo, said, Path(beside))
            os.replace(Path(beside) / FILE, there)
    except OSError as error:
        raise cannot_write(there, error) from error
    return there


def _fetch(hub: Any, repo: str, said: Any, beside: Path) -> None:
    """The file into the folder `beside`, with the size and digest that were said, and proven."""

    def get() -> Any:
        return hub.hf_hub_download(repo, FILE, revision=said.commit_hash, local_dir=beside)

    _asked(get, lambda got: _not_given(repo, said.commit_hash, got))
    path = beside / FILE
    if (said.size is not None and path.stat().st_size != said.size) or not _has_digest(path, said.etag or ""):
        raise _not_given(repo, said.commit_hash, "other bytes than it says it has")
    try:
        load_model(path)
    except TorchbeamError as error:
        told = error.what.replace(str(path), FILE)
        raise ModelFileError(
            f"{repo} holds no model that torchbeam can prove",
            expected=f"a {FILE} that torchbeam wrote",
            got=told,
            remedy="it was not kept; ask who put it there",
        ) from None


def _is_proven(path: Path) -> bool:
    """Whether a file that came down before is here, whole, and computes what it did."""
    if not path.is_file():
        return False
    try:
        load_model(path)
    except ModelFileError:
        return False
    return True


def _has_digest(path: Path, etag: str) -> bool:
    """Whether the bytes are those of an ETag: SHA-256 of a large file, git's SHA-1 of a small one; others say
    nothing, and the model file's own digests decide."""
    if re.fullmatch("[0-9a-f]{64}", etag):
        return _sha256(path) == etag
    if _COMMIT.fullmatch(etag):
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while piece := file.read(2**20):
                digest.update(piece)
        return digest.hexdigest() == etag
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# The library


def _hub(endpoint: str | None) -> tuple[Any, Any]:
    """huggingface_hub, and its client for that hub."""
    for switch in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET"):
        os.environ[switch] = "1"  # read once, where the library is loaded
    try:
        library = import_module("huggingface_hub")
        constants: Any = import_module("huggingface_hub.constants")
    except ImportError as error:
        raise SettingError(
            "sharing through a hub needs the package huggingface_hub",
            got=str(error),
            remedy="pip install torchbeam[hub]",
        ) from None
    constants.HF_HUB_DISABLE_TELEMETRY = constants.HF_HUB_DISABLE_XET = True  # where something else has loaded it
    hub = library.HfApi(
        endpoint=endpoint or os.environ.get("HF_ENDPOINT") or None,
        library_name="torchbeam",
        library_version=__version__,
    )
    _check_endpoint(hub.endpoint)
    return library, hub


def _asked(ask: Callable[[], Made], refusal: Callable[[str], TorchbeamError]) -> Made:
    """What the library gives; whatever it raises, which differs from version to version, as one of our errors."""
    try:
        return ask()
    except Exception as error:
        raise refusal(_told(error)) from None


def _told(error: BaseException) -> str:
    """An error of the library, or what lies under it, in one line."""
    chain: list[BaseException] = []
    under: BaseException | None = error
    while under is not None:
        chain.append(under)
        under = under.__cause__
    for one in chain:
        status = getattr(getattr(one, "response", None), "status_code", 0)
        known = _KNOWN.get(type(one).__name__) or _KNOWN.get(str(status))
        if known:
            return known
    text = _line(error)
    return f"{text} {_line(chain[-1])}" if isinstance(error, RuntimeError) and len(chain) > 1 else text


# The library's errors by their class or HTTP status; the classes have other homes in other versions.
_KNOWN = {
    "OfflineModeIsEnabled": "offline mode: HF_HUB_OFFLINE is set",
    "ConnectError": "no connection to it",
    "ConnectTimeout": "no connection to it",
    "LocalEntryNotFoundError": "no connection to it",
    "401": "HTTP 401: whoever asks is not known to it",
    "403": "HTTP 403: whoever asks may not",
    "404": "HTTP 404: there is none, or it is private",
}


def _line(error: BaseException) -> str:
    """The first lines, without tokens and without the signed part of addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return re.sub(r"(\?)[^\s'\")]+", r"\1...", re.sub(r"hf_\w+", "hf_...", text))[:300]


def _not_taken(repo: str, got: str) -> OutputError:
    return OutputError(
        f"the hub did not take the model for {repo}",
        got=got,
        remedy="log in with 'hf auth login' under a name that may write there, and check the connection",
    )


def _not_given(repo: str, revision: str, got: str) -> ModelFileError:
    return ModelFileError(
        f"the hub gave no {FILE} of {repo} at {revision}",
        got=got,
        remedy="check the name and the connection, and log in with 'hf auth login' where it is private; a model that "
        "is here already is found without a connection by its whole commit",
    )


def _check_repo(repo: str) -> None:
    part = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"
    if not re.fullmatch(f"{part}/{part}", repo, re.ASCII) or "--" in repo or ".." in repo or len(repo) > 96:
        raise SettingError(
            f"a repository cannot be named {repo[:100]!r}",
            expected="OWNER/NAME of letters, digits, - _ and ., as in ann/flowers",
        )


def _check_endpoint(endpoint: str) -> None:
    """A token goes there: over https, or to this machine."""
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SettingError(
            f"no hub is asked at {endpoint}",
            expected="an address that begins with https://",
            remedy="set HF_ENDPOINT to one, or unset it",
        )
