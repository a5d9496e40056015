"""Files from the network, from a real server on this machine that fails in every way."""

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from data_makers import run_bound, run_on_tmpfs
from loopback import served

from torchbeam.data.fetch import CHUNK, check, fetch
from torchbeam.errors import DataError, OutOfRoom, OutputError

CONTENT = random.Random(7).randbytes(3 * CHUNK + 12_345)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
FILES = {"/x.bin": CONTENT}
FETCH = """
import sys
from pathlib import Path
from torchbeam.data.fetch import fetch
from torchbeam.errors import TorchbeamError
try:
    print(fetch(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3]))
except TorchbeamError as error:
    print(type(error).__name__, error, sep=": ")
"""


def got(site, to, name="/x.bin", **told):
    """What is fetched, quickly tried again; beside it nothing must lie."""
    told = {"sha256": SHA256, "pause": 0.01, **told}
    assert fetch(site.url + name, to, **told) == to
    assert list(to.parent.iterdir()) == [to]
    return to.read_bytes()


def refused(site, to, **told):
    with pytest.raises(DataError) as caught:
        got(site, to, **told)
    assert not to.exists()
    return caught.value


@pytest.fixture
def to(tmp_path):
    return tmp_path / "deep" / "down" / "x.bin"


# What works


def test_a_file_is_fetched_once(to):
    with served(FILES) as site:
        assert got(site, to, size=len(CONTENT), md5=MD5) == CONTENT
        assert got(site, to) == CONTENT
    assert site.asked == [("/x.bin", "")]
    assert site.sent == len(CONTENT)


@pytest.mark.parametrize("digests", [{"sha256": SHA256.upper()}, {"sha256": "", "md5": MD5}, {"sha256": ""}])
def test_either_digest_will_do_or_none(to, digests):
    with served(FILES) as site:
        assert got(site, to, **digests) == CONTENT


@pytest.mark.parametrize("fault", ["unsized", "chunked"])
@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_length_need_not_be_said(to, fault, size):
    with served(FILES, (fault,)) as site:
        assert got(site, to, size=size) == CONTENT


def test_an_empty_file_is_a_file(to):
    with served({"/x.bin": b""}) as site:
        assert got(site, to, sha256="", size=0) == b""


def test_a_server_may_lead_on_to_another_address(to):
    with served(FILES) as end, served({}, ("to", f"{end.url}/x.bin")) as site:
        assert got(site, to) == CONTENT


def test_a_fetch_is_watched_by_the_mebibyte(to):
    told = []

    def watch(items, what, total, unit="pictures"):
        seen = list(items)
        told.append((what, len(seen), total, unit))
        return iter(seen)

    with served(FILES) as site:
        got(site, to, watch=watch)
    assert told == [("fetching x.bin", 4, 4, "MB")]


def test_the_proxies_of_the_system_are_not_asked_for_this_machine(to, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with served(FILES) as site:
        assert got(site, to) == CONTENT


# What breaks off


def test_a_dropped_connection_goes_on_where_it_broke_off(to):
    with served(FILES, ("drop", 1_000_000), ("drop", 2_000_000)) as site:
        assert got(site, to, size=len(CONTENT)) == CONTENT
    assert [asked for _, asked in site.asked] == ["", "bytes=1000000-", "bytes=3000000-"]
    assert site.sent == len(CONTENT)  # not a byte twice


def test_a_silent_connection_is_given_up_and_nothing_is_lost(to):
    with served(FILES, ("stall", 100_000)) as site:
        assert got(site, to, timeout=0.2) == CONTENT
    assert site.asked == [("/x.bin", ""), ("/x.bin", "bytes=100000-")]


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_server_in_trouble_is_asked_again(to, code):
    with served(FILES, ("status", code), ("status", code)) as site:
        assert got(site, to) == CONTENT
    assert len(site.asked) == 3


def test_a_server_that_knows_no_ranges_sends_it_all_again(to):
    with served(FILES, ("drop", 1_000_000), ("no range",)) as site:
        assert got(site, to) == CONTENT
    assert site.sent == len(CONTENT) + 1_000_000


def test_a_server_that_sends_another_piece_is_asked_for_all(to):
    with served(FILES, ("drop", 1_000_000), ("wrong range",)) as site:
        assert got(site, to) == CONTENT
    assert [asked for _, asked in site.asked] == ["", "bytes=1000000-", ""]


def test_without_a_digest_nothing_is_pieced_together(to):
    with served(FILES, ("drop", 1_000_000)) as site:
        assert got(site, to, sha256="") == CONTENT
    assert [asked for _, asked in site.asked] == ["", ""]


def test_a_connection_without_a_length_that_ends_early_is_noticed(to):
    with served({"/x.bin": CONTENT[:-5]}, ("unsized",)) as site:
        error = refused(site, to, size=len(CONTENT), retries=0)
    assert error.what == "the connection for x.bin broke off 1 times"
    assert error.got.endswith("the server ended it 5 bytes early")


def test_drops_without_end_are_given_up_but_what_came_is_kept(to):
    with served(FILES, *[("drop", 1000)] * 4) as site:
        error = refused(site, to, retries=3)
        assert error.what == "the connection for x.bin broke off 4 times"
        assert error.got.startswith("4,000 bytes; then: the connection was closed")
        assert "try again: it goes on from there" in error.remedy
        assert got(site, to) == CONTENT
    assert site.asked[-1] == ("/x.bin", "bytes=4000-")
    assert site.sent == len(CONTENT)


def test_drops_count_only_in_a_row(to):
    """Each of these brings a mebibyte more."""
    with served(FILES, *[("drop", CHUNK)] * 3) as site:
        assert got(site, to, retries=1) == CONTENT


def test_a_whole_part_is_only_checked(to):
    to.parent.mkdir(parents=True)
    to.with_name("x.bin.part").write_bytes(CONTENT)
    with served(FILES) as site:
        assert got(site, to, size=len(CONTENT)) == CONTENT
        assert site.asked == []
        to.rename(to.with_name("x.bin.part"))
        assert got(site, to) == CONTENT  # of unknown size: the server says that there is no more
    assert [asked for _, asked in site.asked] == [f"bytes={len(CONTENT)}-", ""]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_part_longer_than_the_file_is_begun_anew(to, size):
    to.parent.mkdir(parents=True)
    to.with_name("x.bin.part").write_bytes(CONTENT + b"more")
    with served(FILES) as site:
        assert got(site, to, size=size) == CONTENT


def fetching(site, to):
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, f"{site.url}/x.bin", str(to), SHA256], stdout=subprocess.PIPE, text=True
    )


def test_a_killed_run_is_gone_on_with(to):
    part = to.with_name("x.bin.part")
    with served(FILES, pace=0.02) as site:
        with fetching(site, to) as run:
            while not (part.exists() and part.stat().st_size):
                assert run.poll() is None
                time.sleep(0.005)
            run.send_signal(signal.SIGKILL)
        assert not to.exists()
        held = part.stat().st_size
        assert 0 < held < len(CONTENT)
        site.pace = 0.0
        assert got(site, to) == CONTENT
    assert site.asked[-1] == ("/x.bin", f"bytes={held}-")


def test_two_runs_at_once_fetch_it_once(to):
    with served(FILES, pace=0.01) as site:
        runs = [fetching(site, to) for _ in range(2)]
        assert [run.communicate()[0] for run in runs] == [f"{to}\n"] * 2
    assert site.asked == [("/x.bin", "")]
    assert site.sent == len(CONTENT)
    assert list(to.parent.iterdir()) == [to]
    assert to.read_bytes() == CONTENT


# What is wrong


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_wrong_bytes_are_removed(to, size):
    wrong = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with served({"/x.bin": wrong}) as site:
        error = refused(site, to, size=size)
    assert error.what == f"what came from {site.url}/x.bin is not the file that was published"
    assert error.expected == f"sha256 {SHA256}"
    assert error.got == f"{hashlib.sha256(wrong).hexdigest()}; it was removed"
    assert list(to.parent.iterdir()) == []


def test_a_server_that_sends_more_is_cut_off(to):
    with served(FILES, ("more", bytes(2**26))) as site:
        error = refused(site, to, size=len(CONTENT))
    assert error.what == f"{site.url}/x.bin sends more than the file that was published"
    assert site.sent < len(CONTENT) + 2**25
    assert list(to.parent.iterdir()) == []


def test_a_page_of_another_size_is_refused_unread_and_the_part_is_kept(to):
    with served(FILES, ("drop", 1_000_000)) as site:
        refused(site, to, retries=0)
        site.files = {"/x.bin": b"<html>Please log in to this network"}
        site.faults = [("no range",)]
        error = refused(site, to, size=len(CONTENT))
        assert error.what == f"{site.url}/x.bin does not lead to the file that was published"
        assert (error.expected, error.got) == (f"{len(CONTENT):,} bytes", "35")
        site.files = FILES
        assert got(site, to, size=len(CONTENT)) == CONTENT
    assert site.asked[-1] == ("/x.bin", "bytes=1000000-")


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_server_that_refuses_is_not_asked_again(to, code):
    with served(FILES, ("status", code)) as site:
        error = refused(site, to)
    assert error.what == "the server does not give out x.bin"
    assert error.got.startswith(f"HTTP {code} ")
    assert error.remedy.splitlines()[:2] == [
        f"get {site.url}/x.bin on another machine",
        f"and put it into {to.parent} as x.bin,",
    ]
    assert len(site.asked) == 1


def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def test_offline_says_what_to_get_and_where_to_put_it(to):
    port = closed_port()
    with pytest.raises(DataError) as caught:
        fetch(f"http://127.0.0.1:{port}/x.bin", to)
    assert caught.value.what == "cannot reach 127.0.0.1"
    assert caught.value.got == "Connection refused"
    assert f"get http://127.0.0.1:{port}/x.bin on another machine" in caught.value.remedy
    assert f"put it into {to.parent} as x.bin" in caught.value.remedy
    assert "name a folder that holds the data" in caught.value.remedy
    assert list(to.parent.iterdir()) == []


def test_a_name_that_nobody_knows_is_not_tried_again(to):
    with pytest.raises(DataError, match=r"cannot reach nobody\.invalid"):
        fetch("https://nobody.invalid/x.bin", to, pause=100.0)


def test_a_server_that_speaks_something_else_is_given_up(to):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def talk() -> None:
            for _ in range(2):
                there, _ = listener.accept()
                with there:
                    there.recv(1000)
                    there.sendall(b"220 ready to serve mail\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(DataError, match="the connection for"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/x.bin", to, pause=0.01, retries=1)
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x.bin",
        "ftp://127.0.0.1/x.bin",
        "file:///etc/passwd",
        "http://127.0.0.1.example.org/x.bin",
        "//x.bin",
        "x.bin",
        "http://[::1/x.bin",
        "",
    ],
)
def test_nothing_comes_over_plain_http_or_from_files(to, url):
    with pytest.raises(DataError, match="nothing is fetched from"):
        fetch(url, to)
    assert not to.parent.exists()


@pytest.mark.parametrize("url", ["http://example.org/x.bin", "file:///etc/passwd", "ftp://127.0.0.1/x.bin"])
def test_no_server_leads_there_either(to, url):
    with served(FILES, ("to", url)) as site:
        error = refused(site, to)
    # urllib itself refuses to be led to files, and gives the answer as it came.
    refusals = {"file": "the server does not give out x.bin"}
    assert error.what == refusals.get(url[:4], f"nothing is fetched from {url}")


def test_a_server_that_leads_round_in_circles_is_given_up(to):
    with served(FILES) as site:
        site.faults = [("to", f"{site.url}/x.bin")] * 30
        error = refused(site, to)
    assert error.what == "the server does not give out x.bin"


# Over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for this machine that nobody has signed."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["-keyout", path, "-out", path.with_name("certificate.pem")]
    subprocess.run(["openssl", "req", *options.split(), *names, *made], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_name("certificate.pem").read_text())
    return path


def test_a_server_whose_certificate_nobody_signed_is_refused(to, certificate):
    with served(FILES, certificate=certificate) as site:
        assert site.url.startswith("https://")
        error = refused(site, to)
    assert error.what == "cannot reach 127.0.0.1"
    assert "self-signed certificate" in error.got
    assert site.asked == []


def test_a_file_comes_over_tls_from_a_server_that_is_trusted(to, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with served(FILES, ("drop", 1_000_000), certificate=certificate) as site:
        assert got(site, to) == CONTENT
    assert site.sent == len(CONTENT)


# Files of the user's own


def test_a_file_put_there_by_hand_counts_when_it_is_right(to):
    to.parent.mkdir(parents=True)
    to.write_bytes(CONTENT)
    assert fetch("https://nobody.invalid/x.bin", to, sha256=SHA256, md5=MD5, size=len(CONTENT)) == to


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"sha256": SHA256}, f"sha256 {SHA256}"),
        ({"md5": MD5}, f"md5 {MD5}"),
        ({"size": len(CONTENT)}, f"{len(CONTENT):,} bytes"),
    ],
)
def test_another_file_put_there_by_hand_is_left_as_it_is(to, told, expected):
    to.parent.mkdir(parents=True)
    to.write_bytes(b"mine")
    with pytest.raises(DataError, match="is not the file that was published under this name") as caught:
        fetch("https://nobody.invalid/x.bin", to, **told)
    assert caught.value.expected == expected
    assert to.read_bytes() == b"mine"


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        check(tmp_path / "missing", md5=MD5)


# Room and permission


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with served(FILES) as site:
        with pytest.raises(OutputError, match=r"cannot keep x\.bin in") as caught:
            fetch(f"{site.url}/x.bin", tmp_path / "file" / "x.bin")
        assert "--cache" in caught.value.remedy
        closed = tmp_path / "closed folder"
        closed.mkdir(mode=0o555)
        said = run_bound(tmp_path, "-c", FETCH, f"{site.url}/x.bin", closed / "x.bin", SHA256)
        assert said.startswith("OutputError: cannot keep x.bin in")


def test_no_room_is_told_before_a_byte_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    with served(FILES) as site:
        said = run_on_tmpfs(
            tmp_path / "disk", "size=1m", "-c", FETCH, f"{site.url}/x.bin", tmp_path / "disk" / "x.bin", SHA256
        )
    assert said.startswith("OutOfRoom: there is no room for x.bin")


def test_a_disk_that_fills_up_keeps_what_came(tmp_path):
    (tmp_path / "disk").mkdir()
    script = FETCH + "import os; print(os.listdir(Path(sys.argv[2]).parent))"
    with served(FILES, ("unsized",)) as site:
        said = run_on_tmpfs(
            tmp_path / "disk", "size=1m", "-c", script, f"{site.url}/x.bin", tmp_path / "disk" / "x.bin", SHA256
        )
    assert said.startswith("OutOfRoom: the disk filled up while x.bin was fetched")
    assert said.endswith("['x.bin.part']\n")
    assert OutOfRoom.exit_code == 3


def test_a_shared_folder_that_cannot_be_written_serves_what_is_in_it(tmp_path):
    (tmp_path / "x.bin").write_bytes(CONTENT)
    os.chmod(tmp_path / "x.bin", 0o444)
    (tmp_path / "x.bin").parent.chmod(0o555)
    said = run_bound_read(tmp_path)
    tmp_path.chmod(0o755)
    assert said == f"{tmp_path / 'x.bin'}\n"


def run_bound_read(folder):
    (other := folder.parent / f"{folder.name}-closed").mkdir()
    return run_bound(other, "-c", FETCH, "https://nobody.invalid/x.bin", folder / "x.bin", SHA256)
