"""Finding, fetching, reading and preparing CIFAR-10, with files of 200 images."""

import functools
import hashlib
import http.server
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading

import numpy as np
import pytest

from lib import data
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


def test_the_array_module_is_admitted_under_its_old_and_new_name(folder, monkeypatch):
    file = folder / PY / "data_batch_2"
    content = file.read_bytes()
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    assert new in content
    before = data._read_pickle(file)[0]
    file.write_bytes(content.replace(new, old))
    np.testing.assert_array_equal(data._read_pickle(file)[0], before)


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
    pixels, labels = (data._read_binary if layout == BIN else data._read_pickle)(file)
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
def test_a_pickle_that_runs_something_is_refused(folder, monkeypatch, call):
    touched = folder / "touched"
    evil = {
        "os.system": Evil(os.system, f"touch {touched}"),
        "eval": Evil(eval, f"open({str(touched)!r}, 'w')"),
        "numpy": Evil(np.save, str(touched), 1),
    }[call]
    (folder / PY / "test_batch").write_bytes(pickle.dumps({b"data": evil, b"labels": [1]}, protocol=2))
    monkeypatch.setenv("CIFAR10_DIR", str(folder / PY))
    with pytest.raises(data.DataError, match=r"test_batch is damaged .it asks for "):
        data.load("cifar10")
    assert not list(folder.glob("touched*"))


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


def test_a_truncated_archive_is_one_line(folder, monkeypatch):
    pack(folder, folder / "whole")
    only = folder / "only"
    only.mkdir()
    (only / data.ARCHIVE).write_bytes((folder / "whole").read_bytes()[:-50_000])
    monkeypatch.setenv("CIFAR10_DIR", str(only))
    with pytest.raises(data.DataError, match="cannot be unpacked"):
        data.load("auto")


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
        patch.setattr(data, "_read", lambda files: pytest.fail("read again"))
        assert data.load("cifar10").fingerprint == dataset.fingerprint
    file = folder / BIN / "data_batch_1.bin"
    file.write_bytes(bytes([9]) + file.read_bytes()[1:])
    assert data.load("cifar10").labels[0] == 9


def test_a_damaged_preparation_says_what_to_delete(dataset, tmp_path):
    (pixels,) = (tmp_path / "cache").rglob("pixels.npy")
    os.truncate(pixels, 1000)
    with pytest.raises(data.DataError, match=f"{pixels.parent} is damaged .*delete it"):
        data.load("cifar10")


def test_cache_falls_back_to_the_temporary_folder(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    pixels = data.load("standin").pixels
    assert f"cifar10-workbook-{os.getuid()}" in pixels.filename.parts
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(data.DataError, match="XDG_CACHE_HOME"):
        data.load("standin")


# The command


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"'cifar-10' .did you mean 'cifar10'.*auto, cifar10, standin"):
        data.load("cifar-10")


def test_command(folder, monkeypatch, capsys):
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    assert data.main([]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"cifar10 {data.load('cifar10').fingerprint}\n" and BIN in printed.err
    assert data.main(["standin"]) == 0 and capsys.readouterr().out.startswith("standin ")
    monkeypatch.setenv("CIFAR10_DIR", str(folder / "nowhere"))
    for argument in ("auto", "cifer"):
        assert data.main([argument]) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1
