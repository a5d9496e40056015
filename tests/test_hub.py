"""Model files up to a hub and down from it, over HTTP to one on this machine; what comes down is judged by its bytes.

The public hub itself is not asked, nor are its Xet transfer and its accounts.
"""

import hashlib
import sys
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from loopback_hub import hub_here
from safetensors.torch import save
from sklearn.datasets import load_digits

import torchbeam
from torchbeam.errors import ModelFileError, OutputError, SettingError
from torchbeam.jobs.hub import pull, push

needs_hub = pytest.mark.skipif(
    find_spec("huggingface_hub") is None, reason="the package huggingface_hub is missing: pip install torchbeam[hub]"
)
# How the library itself uploads a large file, as its HTTP client says.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TOKEN = "hf_secretofthetest"
REPO = "ann/digits"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for switch in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET"):
        monkeypatch.setenv(switch, "1")  # so that what push and pull set is taken back
    with hub_here() as one:
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        yield one


@pytest.fixture
def model(run):
    return (run / "model.safetensors").read_bytes()


@needs_hub
def test_a_run_goes_up_and_its_model_comes_down_the_same(hub, run, model, tmp_path, capfd):
    pushed = push(run, REPO, licence="cc-by-4.0")
    commit, files = hub.repos[REPO][-1]
    assert set(files) == {"model.safetensors", "README.md"}
    assert files["model.safetensors"] == model
    assert hub.private[REPO]
    assert files["README.md"].decode().startswith("---\nlicense: cc-by-4.0\n")
    assert (pushed.commit, pushed.sha256) == (commit, hashlib.sha256(model).hexdigest())
    assert pushed.to_json()["url"] == f"{hub.url}/{REPO}/commit/{commit}"
    assert str(pushed).startswith(f"{REPO} holds the model now, commit {commit[:12]}: http://127.0.0.1")
    path = pull(REPO, cache=tmp_path)
    assert path == tmp_path / "hub" / "ann--digits" / commit / "model.safetensors"
    assert path.read_bytes() == model
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    digits = np.round(load_digits().images[:3] * 255 / 16).astype(np.uint8)
    here, there = torchbeam.predict(run, digits), torchbeam.predict(path, digits)
    assert here.to_json() == there.to_json()
    said = capfd.readouterr()
    assert TOKEN not in said.out + said.err


@needs_hub
def test_nothing_else_is_asked_or_told(hub, run, tmp_path):
    push(run, REPO, licence="mit", private=False)
    assert not hub.private[REPO]
    pull(REPO, cache=tmp_path)
    commit, files = hub.repos[REPO][-1]
    oid = hashlib.sha256(files["model.safetensors"]).hexdigest()
    assert hub.paths() == [
        "POST /api/repos/create",
        "POST /api/validate-yaml",
        f"POST /api/models/{REPO}/preupload/main",
        f"POST /{REPO}.git/info/lfs/objects/batch",
        f"PUT /large/{oid}",
        f"POST /api/models/{REPO}/commit/main",
        f"HEAD /{REPO}/resolve/main/model.safetensors",
        f"HEAD /{REPO}/resolve/{commit}/model.safetensors",
        f"GET /{REPO}/resolve/{commit}/model.safetensors",
    ]
    for method, _, headers in hub.asked:
        agent = {name.lower(): value for name, value in headers.items()}.get("user-agent", "")
        assert "torch/" not in agent.replace("torchbeam/", ""), agent
        assert "agent/" not in agent
        assert method == "PUT" or agent.startswith("torchbeam/")


@needs_hub
def test_what_is_here_already_is_not_fetched_again(hub, model, tmp_path):
    commit = hub.commit(REPO, {"model.safetensors": model})
    path = pull(REPO, cache=tmp_path)
    hub.asked.clear()
    assert pull(REPO, cache=tmp_path) == path
    assert hub.paths() == [f"HEAD /{REPO}/resolve/main/model.safetensors"]
    hub.asked.clear()
    assert pull(REPO, revision=commit, cache=tmp_path) == path
    assert not hub.asked
    path.write_bytes(model[:-1] + bytes([model[-1] ^ 1]))  # a cache that was damaged is made good
    assert pull(REPO, revision=commit, cache=tmp_path) == path
    assert path.read_bytes() == model


@needs_hub
def test_other_bytes_than_were_said_are_not_kept(hub, model, tmp_path):
    hub.commit(REPO, {"model.safetensors": model})
    hub.altered = model[:-1] + bytes([model[-1] ^ 1])
    with pytest.raises(ModelFileError, match=r"the hub gave no model.safetensors of ann/digits") as told:
        pull(REPO, cache=tmp_path)
    assert told.value.got == "other bytes than it says it has"
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


@needs_hub
@pytest.mark.parametrize("content", [save({"weight": torch.zeros(2)}), b"\x80\x04N."], ids=["foreign", "no tensors"])
def test_a_file_that_cannot_be_proven_is_not_kept(hub, tmp_path, content):
    hub.commit(REPO, {"model.safetensors": content})
    with pytest.raises(ModelFileError, match="ann/digits holds no model that torchbeam can prove") as told:
        pull(REPO, cache=tmp_path)
    assert told.value.got.startswith("model.safetensors is")
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


@needs_hub
def test_only_safetensors_are_ever_asked_for(hub, tmp_path):
    hub.commit(REPO, {"pytorch_model.bin": b"\x80\x04N."})
    with pytest.raises(ModelFileError) as told:
        pull(REPO, cache=tmp_path)
    assert told.value.got == "HTTP 404: there is none, or it is private"
    assert {path.rpartition("/")[2] for path in hub.paths()} == {"model.safetensors"}
    with pytest.raises(ModelFileError, match="at v2"):
        pull("ann/nothing", revision="v2", cache=tmp_path)


@needs_hub
def test_a_server_that_is_no_hub_is_found_out(hub, model, tmp_path):
    hub.commit(REPO, {"model.safetensors": model})
    hub.headed = False
    with pytest.raises(ModelFileError) as told:
        pull(REPO, cache=tmp_path)
    assert "an answer without a commit" in told.value.got


@needs_hub
def test_who_may_not_write_is_told_so(hub, run):
    hub.refuse = {"/api/repos/create": 403}
    with pytest.raises(OutputError, match="the hub did not take the model for ann/digits") as told:
        push(run, REPO, licence="mit")
    assert told.value.got == "HTTP 403: whoever asks may not"
    assert "hf auth login" in told.value.remedy
    assert TOKEN not in str(told.value)
    hub.refuse = {f"/api/models/{REPO}/commit": 500}
    with pytest.raises(OutputError) as told:
        push(run, REPO, licence="mit")
    assert "500" in told.value.got
    assert not hub.repos[REPO]


@needs_hub
def test_a_damaged_model_never_goes_up(hub, model, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="is damaged"):
        push(tmp_path, REPO, licence="mit")
    with pytest.raises(ModelFileError, match="no model file at"):
        push(tmp_path / "nothing.safetensors", REPO, licence="mit")
    assert not hub.asked


@needs_hub
def test_without_a_connection_it_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hub_here() as gone:
        closed = gone.url
    with pytest.raises(ModelFileError) as told:
        pull(REPO, cache=tmp_path, endpoint=closed)
    assert told.value.got.startswith("no connection to it")
    assert "by its whole commit" in told.value.remedy
    with pytest.raises(OutputError) as told:
        push(run, REPO, licence="mit", endpoint=closed)
    assert told.value.got.startswith("no connection to it")
    monkeypatch.setattr(import_module("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelFileError) as told:
        pull(REPO, cache=tmp_path, endpoint=closed)
    assert told.value.got == "offline mode: HF_HUB_OFFLINE is set"


def test_without_the_extra_it_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for ask in (lambda: pull(REPO, cache=tmp_path), lambda: push(run, REPO, licence="mit")):
        with pytest.raises(SettingError, match="sharing through a hub needs the package huggingface_hub") as told:
            ask()
        assert told.value.remedy == "pip install torchbeam[hub]"


@needs_hub
def test_names_and_addresses_that_cannot_be(hub, run, tmp_path):
    for name in (
        "digits",
        "a/b/c",
        "../x",
        "ann/a..b",
        "ann/a--b",
        "ann/.git",
        "ann/",
        "ann/di gits",
        "ann/" + "x" * 99,
    ):
        with pytest.raises(SettingError, match="a repository cannot be named"):
            pull(name, cache=tmp_path)
        with pytest.raises(SettingError, match="a repository cannot be named"):
            push(run, name, licence="mit")
    with pytest.raises(SettingError, match="a licence cannot be"):
        push(run, REPO, licence="mit\nfoo: bar")
    for address in ("http://example.com", "file:///tmp", "ftp://127.0.0.1"):
        with pytest.raises(SettingError, match="no hub is asked at"):
            pull(REPO, cache=tmp_path, endpoint=address)
    assert not hub.asked


@needs_hub
def test_a_cache_that_cannot_be_written_is_said(hub, model, tmp_path):
    hub.commit(REPO, {"model.safetensors": model})
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        pull(REPO, cache=tmp_path / "cache")
