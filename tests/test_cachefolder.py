"""Where what can be made again is kept."""

from pathlib import Path

import pytest
from data_makers import run_python

from torchbeam.data.cachefolder import cache_folder
from torchbeam.errors import SettingError


def test_the_folder_told_is_taken_as_it_is(tmp_path):
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"
    assert cache_folder(str(tmp_path / "mine")) == tmp_path / "mine"
    assert not (tmp_path / "mine").exists()


def test_a_home_in_the_folder_told_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("~/pictures") == tmp_path / "pictures"


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "torchbeam"


@pytest.mark.parametrize("named", [None, "", "relative/folder"])
def test_without_a_whole_path_there_it_is_in_the_home_folder(named, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    if named is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert cache_folder() == tmp_path / ".cache" / "torchbeam"


def test_a_home_that_is_nobodys_is_refused():
    with pytest.raises(SettingError, match=r"^no folder can be found for the cache ~nobody-of-that-name/x") as caught:
        cache_folder("~nobody-of-that-name/x")
    assert caught.value.remedy == "name one with --cache"


def test_a_user_without_a_home_is_told_to_name_a_folder():
    script = """
import os
from torchbeam.data.cachefolder import cache_folder
from torchbeam.errors import SettingError
os.environ.pop("HOME", None)
os.environ.pop("XDG_CACHE_HOME", None)
if os.geteuid() == 0:
    os.setuid(54321)  # whom no list of users knows, as in some containers
try:
    print(cache_folder())
except SettingError as error:
    print(error.what)
"""
    said = run_python("-c", script).strip()
    assert said == "no folder can be found for the cache" or Path(said).is_absolute()
