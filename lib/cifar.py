"""CIFAR-10's own files: six batches in either official layout, or an archive of them. Nothing in them is trusted."""

import gzip
import hashlib
import os
import pickletools
import stat
import tarfile
import tempfile
from pathlib import Path

import numpy as np

PIXELS = 3072
FILES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")


class DataError(RuntimeError):
    """The data is missing or damaged. The message is one line that says what is wrong, where, and what to do."""


def find(folder):
    """Return the paths of the six batches, or of one archive, in ``folder``; none if they are not there."""
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        for suffix in (".bin", ""):
            files = [place / f"{name}{suffix}" for name in FILES]
            if any(map(os.path.isfile, files)):  # Path.is_file would raise in a folder that we may not read
                return files
    return list(filter(os.path.isfile, (folder / name for name in ARCHIVES)))[:1]


def identity(files, per_file):
    """Return what changes with the files. Raises DataError unless all are files, and no larger than CIFAR-10's."""
    folder = files[0].parent
    if more := {path.stem for path in folder.glob("data_batch_*") if path.stem[11:].isdigit()} - set(FILES):
        raise DataError(f"{folder} holds {min(more)}, which CIFAR-10 does not have: unpack CIFAR-10 again")
    try:
        found = [(file, file.stat()) for file in files]
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; unpack CIFAR-10 again") from None
    for file, about in found:
        if not stat.S_ISREG(about.st_mode) or about.st_size > _most(files, per_file):  # a pipe would never end
            raise DataError(f"{file} is no file, or too large for CIFAR-10: unpack CIFAR-10 again")
    return [(str(file.resolve()), about.st_size, about.st_mtime_ns) for file, about in found]


def _most(files, per_file):
    """Return how many bytes each of the files may have: twice what it has, whether it is a batch or an archive."""
    return 2 * len(FILES) // len(files) * per_file * (1 + PIXELS)


def read(files, per_file, scratch):
    """Yield pixels (n, 3072) uint8 and labels (n,) uint8 of each batch. Raises DataError.

    files: as from ``find``; an archive is unpacked in the folder ``scratch`` first.
    """
    if len(files) < len(FILES):
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=scratch) as folder:
            yield from read(_unpacked(files[0], folder, per_file), per_file, scratch)
        return
    seen = {}
    for file in files:
        try:
            pixels, labels = _read_binary(file) if file.suffix == ".bin" else _read_pickle(file)
            if pixels.shape != (per_file, PIXELS) or pixels.dtype != np.uint8 or labels.shape != (per_file,):
                raise ValueError(f"pixels {pixels.shape} {pixels.dtype}, labels {labels.shape}")
            if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
                raise ValueError("labels other than 0 to 9")
            first = seen.setdefault(hashlib.sha256(np.ascontiguousarray(pixels)).digest(), file)
            if first != file or pixels.min() == pixels.max():
                raise ValueError("all pixels are equal" if first == file else f"its images are those of {first.name}")
        except Exception as error:  # a damaged pickle can raise anything
            raise DataError(f"{file} is damaged ({why(error)}): unpack CIFAR-10 again") from None
        yield pixels, labels.astype(np.uint8)


def _unpacked(archive, folder, per_file):
    """Unpack an archive of at most 100 files and folders, nothing else, and return the paths of its batches."""
    try:
        most = _most([archive], per_file)
        with _Limited(archive) as content, tarfile.open(fileobj=content, mode="r:") as tar:
            content.most, members = most, []
            for member in tar:
                members.append(member)
                if not (member.isreg() or member.isdir()) or member.size > most or len(members) > 100:
                    raise ValueError(f"{member.name!r:.100} is not CIFAR-10's")
            tar.extractall(folder, members, filter="data")
        files = find(Path(folder))
        if len(files) < len(FILES):
            raise ValueError("it holds no CIFAR-10")
        identity(files, per_file)
        return files
    except Exception as error:  # a damaged archive can raise anything
        raise DataError(f"{archive} cannot be unpacked ({why(error)}): delete it and run again") from None


class _Limited(gzip.GzipFile):
    """Gives no more than ``most`` bytes, so that a bomb fills neither memory nor disk."""

    most = 1 << 20

    def read(self, size=-1):
        if self.tell() + size > self.most:
            raise ValueError("it is too large for CIFAR-10")
        return super().read(size)


def why(error):
    """Return what an exception says, in one line; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _read_binary(file):
    """Return the pixels and labels of a ``.bin`` file: records of one label byte and 3072 pixel bytes."""
    records = np.fromfile(file, np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _read_pickle(file):
    """Return the pixels and labels of a file of the Python version: a pickled dict of an array and a list.

    A pickle is a list of instructions, which could run any code. They are read, and none is carried out.
    """
    text, pixels, labels, columns_first = b"", b"", [], False
    for instruction, value, _ in pickletools.genops(file.read_bytes()):
        if isinstance(value, str):  # as Python 2 wrote bytes
            value = value.encode("latin1")
        if isinstance(value, bytes) and value != b"latin1":  # which Python 3 writes among them
            text, pixels = value, max(value, pixels, key=len)
            if pixels is value and columns_first:
                raise ValueError("its array is stored by columns")
        elif text == b"labels" and "INT" in instruction.name:
            labels.append(value)
        columns_first = instruction.name == "NEWTRUE" or (columns_first and instruction.name != "NEWFALSE")
    return np.frombuffer(pixels, np.uint8).reshape(-1, PIXELS), np.array(labels)
