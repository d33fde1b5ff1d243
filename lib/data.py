"""The images: find or fetch CIFAR-10, verify and read it.

Pixels stay uint8 in one memory-mapped file that all processes share (184 MB); lib.nn.splits gathers and normalises a
mini-batch when it is wanted, which takes no longer than gathering stored floats would.
Where no CIFAR-10 can be had there is a stand-in: 60 000 pictures of the same shape, drawn from a fixed seed.

`python -m lib.data [auto|cifar10|standin]` prepares the data and prints its name and fingerprint.
"""

import contextlib
import functools
import hashlib
import inspect
import io
import json
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib import standin
from lib.choices import check_choice

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3072
PER_FILE = 10_000
FILES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
ARCHIVE = "cifar-10-binary.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


class DataError(RuntimeError):
    """The data is missing or damaged; the message is one line: what, where, how to mend it."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images of one data set: five training files in order, then the test file."""

    name: str  # "cifar10" or "standin"
    pixels: np.ndarray = field(repr=False)  # (60000, 3072) uint8, read-only memmap, CIFAR order
    labels: np.ndarray = field(repr=False)  # (60000,) uint8
    fingerprint: str  # first 16 hex digits of the SHA-256 of pixels and labels
    where: str  # for people: the folder it came from, or the seed

    @property
    def per_file(self):
        """Number of images in each of the six files."""
        return len(self.labels) // len(FILES)


def load(name="auto"):
    """Return the Dataset "cifar10" or "standin", or with "auto" the first if it can be had.

    CIFAR-10 is looked for in `$CIFAR10_DIR`, then in the user cache (`pooch.os_cache("cifar10-workbook")`),
    as `cifar-10-batches-bin`, `cifar-10-batches-py` or the archive of either, and else downloaded
    (`$CIFAR10_URL` names a mirror) and its SHA-256 verified. "auto" says on stderr when it falls back. Raises
    ValueError for an unknown name and DataError, also with "auto", for a `$CIFAR10_DIR` without CIFAR-10 and
    for damaged files.

    A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html
    """
    check_choice("data", name, ("auto", "cifar10", "standin"))
    if name != "standin":
        files = _locate()
        if not files:
            archive, failure = _download(os.environ.get("CIFAR10_URL") or URL, SHA256, _writable_cache())
            files = [archive] if archive else []
        if files:
            where = str(files[0].parent)
            return _prepared("cifar10", _identity(files), where, lambda: _read(files))
        message = f"no CIFAR-10: {failure}; name its folder in CIFAR10_DIR or a mirror in CIFAR10_URL"
        if name == "cifar10":
            raise DataError(message)
        print(f"{message}. Going on with the stand-in.", file=sys.stderr)
    # Another drawing, or another NumPy's random stream, is another data set.
    identity = [inspect.getsource(standin), np.__version__, PER_FILE]
    return _prepared("standin", identity, "drawn from seed 0", functools.partial(standin.draw, PER_FILE))


def _locate():
    """The files of CIFAR-10 where the user has them: six, or one archive, or none."""
    if given := os.environ.get("CIFAR10_DIR"):
        if files := _find(Path(given)):
            return files
        raise DataError(f"CIFAR10_DIR={given} holds no cifar-10-batches-bin or -py: correct it or unset it")
    return next(filter(None, map(_find, _caches())), [])


def _find(folder):
    """The files of CIFAR-10 in `folder`, if any."""
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        for suffix in (".bin", ""):
            files = [place / f"{name}{suffix}" for name in FILES]
            if any(map(os.path.isfile, files)):  # Path.is_file raises in a folder that is closed to us
                return files
    return list(filter(os.path.isfile, (folder / ARCHIVE, folder / "cifar-10-python.tar.gz")))[:1]


@functools.cache  # one attempt per process
def _download(url, sha256, folder):
    """Return the path of the archive and None, or None and why it could not be fetched."""
    import pooch  # here, because it takes longer to import than a prepared data set to open

    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(progressbar=True, timeout=(5, 60))  # seconds to connect and between packets
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", ARCHIVE, folder, downloader=fetch)), None
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        return None, f"{url} gave {type(error).__name__}, {str(error).split(':')[0]}"


def _identity(files):
    try:
        return [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; unpack CIFAR-10 again") from None


def _read(files):
    """Yield pixels (n, 3072) uint8 and labels (n,) uint8 of each file; an archive is unpacked first."""
    if len(files) == 1:
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=_writable_cache()) as scratch:
            try:
                with tarfile.open(files[0]) as archive:
                    archive.extractall(scratch, filter="data")
            except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
                raise DataError(f"{files[0]} cannot be unpacked ({error}): delete it and run again") from None
            unpacked = _find(Path(scratch))
            if len(unpacked) != len(FILES):
                raise DataError(f"{files[0]} holds no CIFAR-10: delete it and run again")
            yield from _read(unpacked)
        return
    for file in files:
        try:
            pixels, labels = _read_binary(file) if file.suffix == ".bin" else _read_pickle(file)
            if pixels.shape != (PER_FILE, PIXELS) or pixels.dtype != np.uint8 or labels.shape != (PER_FILE,):
                raise ValueError(f"pixels {pixels.shape} {pixels.dtype}, labels {labels.shape}")
            if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
                raise ValueError("labels other than 0 to 9")
        except Exception as error:  # a damaged pickle can raise anything
            raise DataError(f"{file} is damaged ({error}): unpack CIFAR-10 again") from None
        yield pixels, labels.astype(np.uint8)


def _read_binary(file):
    """One `.bin` file: records of a label byte and 3072 pixel bytes."""
    records = np.fromfile(file, np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _read_pickle(file):
    """One file of the Python version: a pickled dict of an array and a list."""
    content = _ArraysOnly(io.BytesIO(file.read_bytes()), encoding="bytes").load()
    return content[b"data"], np.array(content[b"labels"])


class _ArraysOnly(pickle.Unpickler):
    """Admits what an array is rebuilt with and nothing else: unpickling runs what it is given."""

    def find_class(self, module, name):
        if (module.replace("numpy._core", "numpy.core"), name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _caches():
    """Folders where prepared data may lie: the user cache, and one of ours in the temporary folder."""
    import platformdirs  # what pooch.os_cache asks; importing pooch would take longer

    shared = Path(tempfile.gettempdir()) / f"cifar10-workbook-{os.getuid()}"
    ours = not shared.exists() or shared.stat().st_uid == os.getuid()
    return [Path(platformdirs.user_cache_dir("cifar10-workbook")), *([shared] if ours else [])]


def _writable_cache():
    for cache in _caches():
        try:
            cache.mkdir(0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=cache).close()
            return cache
        except OSError:
            continue
    raise DataError("no cache folder can be written (home and temporary folder): set XDG_CACHE_HOME to one that can")


def _prepared(name, identity, where, blocks):
    """Open the data set prepared from `identity`; on the first time write it from `blocks()`.

    It is written under a temporary name and renamed when it is whole, so that neither a killed process nor
    several at once leave anything that only looks prepared.
    """
    folder = f"{name}-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}"
    whole = next((cache / folder for cache in _caches() if os.path.isdir(cache / folder)), None)
    if whole is None:
        cache = _writable_cache()
        with contextlib.suppress(OSError):  # another process sweeps too
            for left in cache.glob("tmp-*"):  # of killed processes
                if time.time() - left.stat().st_mtime > 3600:
                    shutil.rmtree(left, ignore_errors=True)
        temporary, whole = Path(tempfile.mkdtemp(prefix="tmp-", dir=cache)), cache / folder
        try:
            _write(temporary, blocks())
            os.rename(temporary, whole)
        except OSError as error:
            if not whole.is_dir():  # else another process was first
                raise DataError(f"{whole} cannot be written ({error.strerror}): make room there") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    try:
        fingerprint = json.loads((whole / "about.json").read_text())["fingerprint"]
        return Dataset(name, np.load(whole / "pixels.npy", "r"), np.load(whole / "labels.npy", "r"), fingerprint, where)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{whole} is damaged ({error}): delete it and run again") from None


def _write(folder, blocks):
    """Write blocks of pixels and labels as `pixels.npy`, `labels.npy` and the fingerprint of both."""
    digest, all_labels = hashlib.sha256(), []
    with open(folder / "pixels.npy", "wb") as file:  # not a memmap: a full disk is then an error, not a crash
        shape = {"descr": "|u1", "fortran_order": False, "shape": (len(FILES) * PER_FILE, PIXELS)}
        np.lib.format.write_array_header_1_0(file, shape)
        for pixels, labels in blocks:
            data = np.ascontiguousarray(pixels)
            file.write(data)
            digest.update(data)
            all_labels.append(labels)
    labels = np.concatenate(all_labels)
    np.save(folder / "labels.npy", labels)
    digest.update(labels)
    (folder / "about.json").write_text(json.dumps({"fingerprint": digest.hexdigest()[:16]}))


def main(arguments):
    """Prepare and name the data set of the first argument (default "auto"); return the exit status."""
    try:
        dataset = load(*(arguments[:1] or ["auto"]))
    except (DataError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{dataset.where}, fingerprint {dataset.fingerprint}", file=sys.stderr)
    print(dataset.name, dataset.fingerprint)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
