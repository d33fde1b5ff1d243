"""Finding, fetching, reading and preparing CIFAR-10, with files of 200 images."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import tracemalloc

import numpy as np
import pytest

from lib import cifar, data
from lib.standin import draw

N = 200  # images per file here
BIN, PY = "cifar-10-batches-bin", "cifar-10-batches-py"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test touches the user's data or cache, or reaches the internet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/nothing-listens-here")
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def draw_small():
    return draw(N)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(data, "PER_FILE", N)


@pytest.fixture
def folder(small, tmp_path):
    """The same random images in both layouts; each file has its own brightness and one constant dimension."""
    rng = np.random.default_rng(1)
    (tmp_path / BIN).mkdir()
    (tmp_path / PY).mkdir()
    for i, name in enumerate(data.FILES):
        pixels = rng.integers(10 * i, 180 + 10 * i, (N, 3072), dtype=np.uint8)
        pixels[:, 7] = 100
        labels = rng.integers(0, 10, N, dtype=np.uint8)
        np.column_stack([labels, pixels]).tofile(tmp_path / BIN / f"{name}.bin")
        content = {b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"one", b"filenames": [b"a"]}
        (tmp_path / PY / name).write_bytes(pickle.dumps(content, protocol=2))
    return tmp_path


@pytest.fixture
def dataset(folder, monkeypatch):
    monkeypatch.setenv("CIFAR10_DIR", str(folder / BIN))
    return data.load("cifar10")


# Reading


def test_both_layouts_give_the_same_arrays(folder, monkeypatch):
    monkeypatch.setenv("CIFAR10_DIR", str(folder / BIN))
    a = data.load("auto")
    monkeypatch.setenv("CIFAR10_DIR", str(folder / PY))
    b = data.load("cifar10")
    assert a.name == b.name == "cifar10" and BIN in a.where and PY in b.where
    assert a.pixels.shape == (6 * N, 3072) and a.pixels.dtype == np.uint8 and isinstance(a.pixels, np.memmap)
    np.testing.assert_array_equal(a.pixels, b.pixels)
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.fingerprint == b.fingerprint
    assert a.fingerprint == hashlib.sha256(a.pixels.tobytes() + a.labels.tobytes()).hexdigest()[:16]
    last = np.fromfile(folder / BIN / "test_batch.bin", np.uint8).reshape(N, 3073)
    np.testing.assert_array_equal(a.pixels[5 * N :], last[:, 1:])
    np.testing.assert_array_equal(a.labels[5 * N :], last[:, 0])
    with pytest.raises(ValueError, match="read-only"):
        a.pixels[0] = 0


def python_2(pixels, labels):
    """A batch as cPickle of Python 2 wrote the official ones."""
    shape = b"(K\x01" + b"".join(b"M" + n.to_bytes(2, "little") for n in pixels.shape) + b"\x86"
    dtype = b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
    array += shape + dtype
    array += b"\x89T" + pixels.size.to_bytes(4, "little") + pixels.tobytes() + b"tb"
    numbers = b"]q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    head = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04"
    names = b"U\x09filenamesq\x0c]q\x0d(U\x1fcamion_s_000148_aaaaaaaaaaa.pngq\x0ee"
    return head + numbers + b"U\x04dataq\x06" + array + names + b"u."


def test_batches_of_python_2_and_of_every_protocol_are_read(folder):
    pixels, labels = cifar._read_binary(folder / BIN / "data_batch_2.bin")
    pixels = np.ascontiguousarray(pixels)
    content = {b"labels": labels.tolist(), b"data": pixels, b"filenames": [b"a"]}
    written = [pickle.dumps(content, protocol=number) for number in (2, 3, 4)]
    written.append(pickle.dumps(dict(reversed(content.items())), protocol=2))
    old = python_2(pixels, labels)
    np.testing.assert_array_equal(pickle.loads(old, encoding="bytes")[b"data"], pixels)
    for each in (*written, old):
        (folder / "batch").write_bytes(each)
        for found, wanted in zip(cifar._read_pickle(folder / "batch"), (pixels, labels), strict=True):
            np.testing.assert_array_equal(found, wanted)
    (folder / "batch").write_bytes(pickle.dumps(content | {b"data": np.asfortranarray(pixels)}, protocol=2))
    with pytest.raises(ValueError, match="stored by columns"):
        cifar._read_pickle(folder / "batch")


@pytest.mark.parametrize("place", [".", "parent", "archive"])
def test_where_cifar_is_looked_for(folder, monkeypatch, tmp_path, place):
    cache = tmp_path / "cache" / "cifar10-workbook"
    cache.mkdir(parents=True)
    if place == ".":
        monkeypatch.setenv("CIFAR10_DIR", str(folder))
    elif place == "parent":
        (folder / PY).rename(cache / PY)
    else:
        pack(folder, cache / data.ARCHIVE)
    assert data.load("auto").name == "cifar10"


@pytest.mark.parametrize("layout", [BIN, PY])
@pytest.mark.parametrize("damage", ["short", "missing", "label", "shape", "empty"])
def test_damaged_files_are_named_in_one_line(folder, monkeypatch, layout, damage):
    monkeypatch.setenv("CIFAR10_DIR", str(folder / layout))
    file = folder / layout / ("data_batch_3.bin" if layout == BIN else "data_batch_3")
    pixels, labels = (cifar._read_binary if layout == BIN else cifar._read_pickle)(file)
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:-3073])  # one record
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        pixels, labels = (pixels, labels * 0 + 10) if damage == "label" else (pixels[:, 1:], labels)
        if layout == BIN:
            np.column_stack([labels, pixels]).astype(np.uint8).tofile(file)
        else:
            file.write_bytes(pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol=2))
    with pytest.raises(data.DataError) as caught:
        data.load("auto")
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not list((folder / "cache").rglob("*.npy"))


class Evil:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("call", ["os.system", "eval", "numpy"])
def test_a_pickle_runs_nothing(folder, monkeypatch, call):
    touched = folder / "touched"
    evil = {
        "os.system": Evil(os.system, f"touch {touched}"),
        "eval": Evil(eval, f"open({str(touched)!r}, 'w')"),
        "numpy": Evil(np.save, str(touched), 1),
    }[call]
    (folder / PY / "test_batch").write_bytes(pickle.dumps({b"data": evil, b"labels": [1]}, protocol=2))
    monkeypatch.setenv("CIFAR10_DIR", str(folder / PY))
    with pytest.raises(data.DataError, match="test_batch is damaged"):
        data.load("cifar10")
    assert not list(folder.glob("touched*"))


BOMBS = {
    "2^50 bytes": b"\x80\x04\x8e" + (1 << 50).to_bytes(8, "little") + b"a.",
    "2^50 writable bytes": b"\x80\x05\x96" + (1 << 50).to_bytes(8, "little") + b"a.",
    "a memo of 2^31": b"\x80\x02}r\xff\xff\xff\x7f.",
    "an array of 2^60": pickle.dumps({b"data": Evil(np.ndarray, (1 << 60,)), b"labels": [1]}, protocol=2),
    "a number of 5000 digits": b"I" + b"9" * 5000 + b"\n.",
    "lists of lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "no end": b"\x80\x02}",
    "text": b"hello",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_pickle_that_asks_for_much_gets_nothing(folder, monkeypatch, bomb):
    (folder / PY / "test_batch").write_bytes(BOMBS[bomb])
    monkeypatch.setenv("CIFAR10_DIR", str(folder / PY))
    with pytest.raises(data.DataError, match=r"test_batch is damaged \(.+\): unpack") as caught:
        data.load("cifar10")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", [BIN, PY])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "link", "large", "equal", "zeros", "extra"])
def test_what_is_no_batch_is_refused_in_one_line(folder, monkeypatch, layout, what):
    """And it never waits, as for the end of a pipe."""
    monkeypatch.setenv("CIFAR10_DIR", str(folder / layout))
    suffix = ".bin" if layout == BIN else ""
    file, first = folder / layout / f"test_batch{suffix}", folder / layout / f"data_batch_1{suffix}"
    content = first.read_bytes()
    if what == "extra":
        file = file.with_name(f"data_batch_6{suffix}")
        file.write_bytes(content)
    elif what == "large":
        os.truncate(file, 1 << 40)
    elif what == "equal":
        file.write_bytes(content)
    elif what == "zeros":
        pixels = np.zeros((N, 3072), np.uint8)
        labels = np.arange(N, dtype=np.uint8) % 10
        both = pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol=2)
        file.write_bytes(np.column_stack([labels, pixels]).tobytes() if layout == BIN else both)
    else:
        file.unlink()
        make = {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda f: os.symlink("/dev/zero", f)}
        make.get(what, lambda f: os.symlink(f, f))(file)
    with pytest.raises(data.DataError, match=file.stem) as caught:
        data.load("auto")
    assert "\n" not in str(caught.value) and "unpack CIFAR-10 again" in str(caught.value)
    assert not list((folder / "cache").rglob("*.npy"))


# Finding and fetching


@pytest.mark.parametrize("name", ["auto", "cifar10"])
@pytest.mark.parametrize("given", ["nowhere", "cache-less"])
def test_a_cifar10_dir_without_cifar10_is_an_error(tmp_path, monkeypatch, small, name, given):
    (tmp_path / "cache-less").mkdir()
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / given))
    with pytest.raises(data.DataError, match=f"CIFAR10_DIR=.*{given} holds no"):
        data.load(name)


def test_only_auto_falls_back_and_says_so(small, capsys):
    with pytest.raises(data.DataError, match=r"no CIFAR-10: http://127.0.0.1:9/.*CIFAR10_DIR.*CIFAR10_URL"):
        data.load("cifar10")
    assert data.load("auto").name == "standin"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "stand-in" in said and "CIFAR10_DIR" in said


def pack(folder, archive):
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder / BIN, BIN)


@pytest.fixture
def served(folder, monkeypatch):
    """The small archive on a server on this machine; the list of requests it got."""
    site, requests = folder / "site", []
    site.mkdir()
    pack(folder, site / "a.tar.gz")
    monkeypatch.setattr(data, "SHA256", hashlib.sha256((site / "a.tar.gz").read_bytes()).hexdigest())

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            requests.append(self.path)

    handler = functools.partial(Handler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("CIFAR10_URL", f"http://127.0.0.1:{server.server_port}/a.tar.gz")
        yield requests
        server.shutdown()


def test_download_once(served):
    assert data.load("auto").name == "cifar10"
    data._download.cache_clear()  # as another process would
    assert data.load("cifar10").pixels.shape == (6 * N, 3072)
    assert len(served) == 1


def test_a_wrong_checksum_is_one_line_and_not_tried_again(served, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(data, "SHA256", "0" * 64)
    for _ in range(2):
        with pytest.raises(data.DataError, match=r"hash of downloaded file .* does not match") as caught:
            data.load("cifar10")
        assert "\n" not in str(caught.value)
    assert data.load("auto").name == "standin" and "does not match" in capsys.readouterr().err
    assert len(served) == 1 and not list(tmp_path.rglob(data.ARCHIVE))


def test_a_missing_page_is_one_line(served, monkeypatch):
    monkeypatch.setenv("CIFAR10_URL", os.environ["CIFAR10_URL"] + ".no")
    with pytest.raises(data.DataError, match="404"):
        data.load("cifar10")


class Unreliable(http.server.BaseHTTPRequestHandler):
    """Serves an archive: the first ``bad`` times it breaks off or stalls half-way; /moved leads to it."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        if self.path in ("/moved", "/loop", "/file"):
            self.send_response(302)
            self.send_header("Location", {"/moved": "/a", "/loop": "/loop", "/file": "file:///etc/passwd"}[self.path])
            return self.end_headers()
        self.send_response(200)
        self.send_header("Content-Length", len(server.content))
        self.end_headers()
        bad = len(server.requests) <= server.bad
        self.wfile.write(server.content[: len(server.content) // 2] if bad else server.content)
        if bad and server.stalls:
            self.wfile.flush()
            server.over.wait(20)


@pytest.fixture
def unreliable(folder, monkeypatch):
    pack(folder, folder / "packed")
    monkeypatch.setattr(data, "TIMEOUT", (1, 0.3))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unreliable) as server:
        server.content, server.requests, server.over = (folder / "packed").read_bytes(), [], threading.Event()
        server.bad, server.stalls = 0, False
        monkeypatch.setattr(data, "SHA256", hashlib.sha256(server.content).hexdigest())
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        server.address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("CIFAR10_URL", server.address + "/a")
        yield server
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("stalls", [True, False], ids=["stalls", "breaks off"])
def test_a_download_that_goes_wrong_starts_over_and_says_so(unreliable, tmp_path, capsys, stalls):
    unreliable.bad, unreliable.stalls = 2, stalls
    assert data.load("cifar10").name == "cifar10" and len(unreliable.requests) == 3
    said = [line for line in capsys.readouterr().err.splitlines() if "starting over" in line]
    assert len(said) == 2 and all(line.startswith(unreliable.address) for line in said)


def test_a_download_that_always_goes_wrong_ends_in_one_line(unreliable, tmp_path):
    unreliable.bad = 100
    with pytest.raises(data.DataError, match=f"no CIFAR-10: {unreliable.address}/a gave ") as caught:
        data.load("cifar10")
    assert len(unreliable.requests) == 3 and "\n" not in str(caught.value)
    assert not list((tmp_path / "cache" / "cifar10-workbook").iterdir()), "half an archive"


def test_a_download_follows_where_it_has_moved(unreliable, monkeypatch):
    for place in ("/loop", "/file", "/moved"):
        unreliable.requests.clear()
        monkeypatch.setenv("CIFAR10_URL", unreliable.address + place)
        if place == "/moved":
            assert data.load("cifar10").name == "cifar10" and unreliable.requests == ["/moved", "/a"]
        else:
            with pytest.raises(data.DataError, match=f"no CIFAR-10: {unreliable.address}{place} gave "):
                data.load("cifar10")


def test_a_truncated_archive_is_one_line(folder, monkeypatch):
    pack(folder, folder / "whole")
    only = folder / "only"
    only.mkdir()
    (only / data.ARCHIVE).write_bytes((folder / "whole").read_bytes()[:-50_000])
    monkeypatch.setenv("CIFAR10_DIR", str(only))
    with pytest.raises(data.DataError, match="cannot be unpacked"):
        data.load("auto")


def member(name, size=0, **more):
    """A member of an archive."""
    info = tarfile.TarInfo(name)
    info.size = size
    for each, value in more.items():
        setattr(info, each, value)
    return info


def archive_of(*members):
    """An archive with these members, filled with zeros."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for each in members:
            file.write(each.tobuf(tarfile.PAX_FORMAT))
            for start in range(0, min(each.size, 1 << 26), 1 << 24):
                file.write(bytes(min(1 << 24, each.size - start)))
            file.write(bytes(-each.size % 512))
        file.write(bytes(1024))
    return packed.getvalue()


ARCHIVES = {
    "junk": lambda: b"junk",
    "empty": lambda: b"",
    "junk in gzip": lambda: gzip.compress(b"junk" * 1000),
    "nothing in it": lambda: archive_of(),
    "climbs": lambda: archive_of(member("../outside", 5)),
    "absolute": lambda: archive_of(member("/tmp/outside", 5)),
    "link": lambda: archive_of(member("data_batch_1.bin", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "hard link": lambda: archive_of(member("data_batch_1.bin", type=tarfile.LNKTYPE, linkname="/etc/passwd")),
    "device": lambda: archive_of(member("data_batch_1.bin", type=tarfile.CHRTYPE, devmajor=1, devminor=5)),
    "pipe": lambda: archive_of(member("data_batch_1.bin", type=tarfile.FIFOTYPE)),
    "bomb": lambda: archive_of(member("data_batch_1.bin", 40 << 20)),
    "small bombs": lambda: archive_of(*(member(f"data_batch_{n}.bin", 7 << 20) for n in range(1, 6))),
    "bomb in a head": lambda: archive_of(member("x", 40 << 20, type=tarfile.XHDTYPE)),
    "sparse": lambda: archive_of(member("data_batch_1.bin", 1 << 40, type=tarfile.GNUTYPE_SPARSE)),
    "many": lambda: archive_of(*(member(f"{n}") for n in range(1000))),
    "long names": lambda: archive_of(*(member("x", 1, type=tarfile.GNUTYPE_LONGNAME) for n in range(3000))),
    "one missing": lambda: archive_of(*(member(f"data_batch_{n}.bin", 5) for n in range(1, 6))),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_that_is_not_cifar10_is_one_line_and_leaves_nothing(small, tmp_path, monkeypatch, what):
    only = tmp_path / "deep" / "only"
    only.mkdir(parents=True)
    (only / data.ARCHIVE).write_bytes(ARCHIVES[what]())
    monkeypatch.setenv("CIFAR10_DIR", str(only))
    tracemalloc.start()
    with pytest.raises(data.DataError, match=f"{data.ARCHIVE} (cannot be unpacked|is no file)") as caught:
        data.load("auto")
    assert tracemalloc.get_traced_memory()[1] < 30 << 20, "however large it would be"
    tracemalloc.stop()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not list(tmp_path.rglob("outside")) and not list((tmp_path / "cache" / "cifar10-workbook").iterdir())


# Preparing


def test_a_killed_preparation_is_never_taken_for_whole(small, tmp_path):
    script = f"""
import os, signal
from lib import data, standin
data.PER_FILE = {N}
def blocks():
    yield from standin.draw({N} // 2)  # half the images
    os.kill(os.getpid(), signal.SIGKILL)
data._prepared("standin", ["killed"], "", blocks)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    (left,) = (tmp_path / "cache" / "cifar10-workbook").iterdir()
    os.utime(left, (0, 0))  # long ago
    whole = data._prepared("standin", ["killed"], "", draw_small)
    assert whole.pixels.shape == (6 * N, 3072) and not left.exists()


def test_of_several_processes_at_once_all_succeed(small):
    def blocks_while_another_finishes():
        first.append(data._prepared("standin", ["race"], "", draw_small))
        yield from draw_small()

    first = []
    second = data._prepared("standin", ["race"], "", blocks_while_another_finishes)
    assert second.fingerprint == first[0].fingerprint
    np.testing.assert_array_equal(second.pixels, first[0].pixels)


def test_prepared_once_until_the_files_change(folder, dataset, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cifar, "read", lambda *arguments: pytest.fail("read again"))
        assert data.load("cifar10").fingerprint == dataset.fingerprint
    file = folder / BIN / "data_batch_1.bin"
    file.write_bytes(bytes([9]) + file.read_bytes()[1:])
    assert data.load("cifar10").labels[0] == 9


DAMAGES = {
    "pixel": lambda folder: flip(folder / "pixels.npy", 5000),
    "label": lambda folder: flip(folder / "labels.npy", 300),
    "order": lambda folder: rewrite(folder / "pixels.npy", lambda text: text.replace(b"False", b"True ")),
    "short": lambda folder: os.truncate(folder / "pixels.npy", 1000),
    "empty": lambda folder: os.truncate(folder / "pixels.npy", 0),
    "labels of 200": lambda folder: np.save(folder / "labels.npy", np.full(6 * N, 200, np.uint8)),
    "10 labels": lambda folder: np.save(folder / "labels.npy", np.zeros(10, np.uint8)),
    "floats": lambda folder: np.save(folder / "pixels.npy", np.zeros((10, 3072), np.float32)),
    "objects": lambda folder: np.save(folder / "labels.npy", np.array([None] * 6 * N), allow_pickle=True),
    "no dict": lambda folder: (folder / "about.json").write_text("[]"),
    "null": lambda folder: (folder / "about.json").write_text('{"fingerprint": null}'),
    "invented": lambda folder: (folder / "about.json").write_text('{"fingerprint": "0123456789abcdef"}'),
    "missing": lambda folder: (folder / "about.json").unlink(),
}


def flip(path, index):
    content = bytearray(path.read_bytes())
    content[index] ^= 1
    path.write_bytes(content)


def rewrite(path, change):
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_prepared_data_is_named_and_made_again(dataset, tmp_path, capsys, damage):
    (pixels,), labels = (tmp_path / "cache").rglob("pixels.npy"), dataset.labels.copy()
    DAMAGES[damage](pixels.parent)
    data._open.cache_clear()  # as another process would
    again = data.load("cifar10")
    assert again.fingerprint == dataset.fingerprint == data.load("cifar10").fingerprint
    np.testing.assert_array_equal(again.labels, labels)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"{pixels.parent} is damaged (") and "made again" in said


def test_data_that_cannot_be_opened_now_stay(dataset, monkeypatch, tmp_path):
    """As when there are no file handles left."""
    monkeypatch.setattr(np, "load", lambda *arguments: os.open(tmp_path, os.O_WRONLY))
    data._open.cache_clear()
    with pytest.raises(data.DataError, match=r"is damaged .*: delete it and run again"):
        data.load("cifar10")
    assert list((tmp_path / "cache").rglob("pixels.npy"))


def test_shapes_are_checked_though_the_bytes_are_right(dataset, tmp_path, capsys):
    (pixels,) = (tmp_path / "cache").rglob("pixels.npy")
    np.save(pixels, np.load(pixels).reshape(-1, 1024))
    data._open.cache_clear()
    assert data.load("cifar10").pixels.shape == (6 * N, 3072) and "damaged (pixels (" in capsys.readouterr().err


def test_damaged_data_that_cannot_be_made_again_are_one_line(dataset, monkeypatch):
    monkeypatch.setattr(data, "_write", lambda folder, blocks: (folder / "about.json").write_text("[]"))
    with pytest.raises(data.DataError, match=r"is damaged .*: delete it and run again"):
        data._prepared("standin", ["bad"], "", draw_small)


def test_cache_falls_back_to_the_temporary_folder(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    pixels = data.load("standin").pixels
    assert f"cifar10-workbook-{os.getuid()}" in pixels.filename.parts
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(data.DataError, match="XDG_CACHE_HOME"):
        data.load("standin")


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"'cifar-10' .did you mean 'cifar10'.*auto, cifar10, standin"):
        data.load("cifar-10")
