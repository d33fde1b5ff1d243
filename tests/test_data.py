"""lib.data: reading, preparing, splitting, normalising, with files of 200 images; the stand-in in full."""

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
from lib.nn import splits
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


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("standin")))
        return data.load("standin")


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


# Splitting and normalising


@pytest.mark.parametrize(
    ("name", "train", "validation"),
    [
        ("B1B2", range(N), range(N, 2 * N)),
        ("45k5k_tail", range(900), range(900, 1000)),
        ("49k1k", range(980), range(980, 1000)),
        ("50k", range(1000), range(900, 1000)),
    ],
)
def test_rows_of_the_splits(dataset, name, train, validation):
    parts = splits.split(dataset, name, "raw")
    assert parts.train.rows.tolist() == list(train)
    assert parts.validation.rows.tolist() == list(validation)
    assert parts.test.rows.tolist() == list(range(1000, 1200))
    np.testing.assert_array_equal(parts.validation.labels, dataset.labels[list(validation)])
    assert len(parts.train) == len(train) and parts.train.labels.dtype.kind == "i"


def test_random_split(dataset):
    one, same, other = (
        splits.split(dataset, "45k5k_random", "raw", rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert len(one.train) == 900 and len(one.validation) == 100
    assert sorted([*one.train.rows, *one.validation.rows]) == list(range(1000))
    assert one.train.rows.tolist() == same.train.rows.tolist() != other.train.rows.tolist()
    assert 0.02 < np.mean(one.validation.rows < 100) < 0.25
    with pytest.raises(ValueError, match="rng"):
        splits.split(dataset, "45k5k_random")


def test_n_train(dataset):
    parts = splits.split(dataset, "B1B2", n_train=150)
    assert parts.train.rows.tolist() == list(range(150))
    assert (len(parts.validation), len(parts.test)) == (100, 100)
    np.testing.assert_allclose(parts.train.batch(slice(None)).mean(0), 0, atol=1e-5)
    for wrong in (0, 201):
        with pytest.raises(ValueError, match=f"n_train = {wrong}, allowed with split B1B2: 1 to 200"):
            splits.split(dataset, "B1B2", n_train=wrong)


def everything(images):
    return images.batch(slice(None), dtype=np.float64)


def expected(dataset, rows, per):
    x = dataset.pixels[rows] / 255
    return x.mean(per), x.std(per)


def test_zscore_train(dataset):
    parts = splits.split(dataset)
    mean, deviation = expected(dataset, parts.train.rows, 0)
    deviation[7] = 1  # never varies
    for part in (parts.train, parts.validation, parts.test):
        wanted = (dataset.pixels[part.rows] / 255 - mean) / deviation
        np.testing.assert_allclose(everything(part), wanted, atol=1e-12)
        np.testing.assert_allclose(part.batch(slice(None)), wanted, atol=1e-5)
    x = np.delete(everything(parts.train), 7, axis=1)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-12)
    assert abs(everything(parts.test).mean()) > 0.1  # not its own statistics


def test_zscore_perfile(dataset):
    parts = splits.split(dataset, "49k1k", "zscore_perfile")
    x = np.concatenate([everything(part) for part in (parts.train, parts.validation, parts.test)])
    files = np.delete(x, 7, axis=1).reshape(6, N, 3071)
    np.testing.assert_allclose(files.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(files.std(1, ddof=1), 1, atol=1e-12)
    assert np.all(x[:, 7] == 0)


def test_centering_and_raw(dataset):
    rows = np.arange(900)
    pixels = dataset.pixels / 255
    for name, shift in (
        ("center_train", expected(dataset, rows, 0)[0]),
        ("center_scalar", expected(dataset, rows, None)[0]),
        ("raw", 0),
    ):
        parts = splits.split(dataset, normalisation=name)
        np.testing.assert_allclose(everything(parts.train), pixels[:900] - shift, atol=1e-12)
        np.testing.assert_allclose(everything(parts.test), pixels[1000:] - shift, atol=1e-12)


@pytest.mark.parametrize("normalisation", splits.NORMALISATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_the_same_bits_in_every_batch(dataset, normalisation, dtype):
    train = splits.split(dataset, "45k5k_random", normalisation, rng=np.random.default_rng(3)).train
    tail = splits.split(dataset, "45k5k_tail", normalisation).train
    order = np.random.default_rng(4).permutation(900)
    for images in (train, tail):
        whole = images.batch(slice(None), dtype=dtype)
        assert whole.dtype == dtype
        np.testing.assert_array_equal(images.batch(order, dtype=dtype), whole[order])
        np.testing.assert_array_equal(images.batch([5, 7, 6, 8], dtype=dtype), whole[[5, 7, 6, 8]])
        np.testing.assert_array_equal(images.batch(slice(250, 700, 3), dtype=dtype), whole[250:700:3])
        out = np.full((100, 3072), np.nan, dtype)
        assert images.batch(order[:100], out=out) is out
        np.testing.assert_array_equal(out, whole[order[:100]])
        for i in (0, 17, -1, 899):
            np.testing.assert_array_equal(images.batch([i], dtype=dtype)[0], whole[i])
            np.testing.assert_array_equal(images.take(18).batch(slice(17, 18), dtype=dtype)[0], whole[17])


def test_raw_pixels_and_limits(dataset):
    parts = splits.split(dataset)
    validation = parts.validation
    np.testing.assert_array_equal(validation.raw(slice(3, 9)), dataset.pixels[903:909])
    np.testing.assert_array_equal(validation.raw([5, 2]), dataset.pixels[[905, 902]])
    np.testing.assert_array_equal(validation.raw(4), dataset.pixels[904:905])
    assert len(validation.take(7)) == 7 and len(validation.take(7000)) == 100
    assert validation.batch(slice(0, 0)).shape == (0, 3072)
    with pytest.raises(IndexError):
        validation.batch([100])
    with pytest.raises(ValueError, match="shape"):
        validation.batch([1, 2], out=np.empty((3, 3072)))


def test_unknown_names_get_a_suggestion(dataset):
    for call, hint in (
        (lambda: data.load("cifar-10"), "'cifar-10' .did you mean 'cifar10'.*auto, cifar10, standin"),
        (lambda: splits.split(dataset, "45k5k"), "'45k5k' .did you mean '45k5k_tail'"),
        (lambda: splits.split(dataset, normalisation="zscore"), "'zscore' .did you mean 'zscore_train'"),
        (lambda: splits.split(dataset, "qqq"), "split = 'qqq', allowed: B1B2,"),
    ):
        with pytest.raises(ValueError, match=hint):
            call()


# The stand-in and the command


def test_standin_is_balanced_and_complete(standin):
    assert standin.name == "standin" and "seed 0" in standin.where
    assert standin.pixels.shape == (60_000, 3072)
    np.testing.assert_array_equal(np.bincount(standin.labels), 6000)
    assert np.all(np.abs(np.bincount(standin.labels[50_000:]) - 1000) < 150)
    assert 40 < standin.pixels[:1000].std() < 70 and np.mean(standin.pixels[:1000] % 255 == 0) < 0.05


@pytest.mark.skipif(np.__version__ != "2.4.6", reason="NumPy's random streams belong to its version")
def test_standin_has_the_same_bytes_everywhere(standin):
    assert standin.fingerprint == "f75041196ddd0a28"


def test_standin_classes_can_be_told_apart_but_not_easily(standin):
    """Linear least squares on 16 times fewer pixels: well above chance, far from solved."""

    def features(rows):
        x = standin.pixels[rows].reshape(-1, 3, 8, 4, 8, 4).mean((3, 5)).reshape(-1, 192)
        return np.column_stack([x / 255, np.ones(len(x))])

    truth = np.eye(10)[standin.labels[:8000]]
    weights = np.linalg.lstsq(features(slice(0, 8000)), truth)[0]
    right = np.argmax(features(slice(50_000, 52_000)) @ weights, 1) == standin.labels[50_000:52_000]
    assert 0.25 < right.mean() < 0.5


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
