"""Which runs share a pass, what they cost, and how processes share the cores until all are done."""

import heapq
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from workbook.runs import cores, cost, store
from workbook.runs.experiment import NINE_LAYERS, Experiment, key, make, shared, vary
from workbook.runs.passes import Queue

SMALL = Experiment(data="standin", n_s=4, cycles=1, hidden=(6,), log_every=4, sample=50)

# Cost


def test_flop_by_hand(tiny):
    """900 training, 100 validation, 200 test images; 3072 x 6 + 6 x 10 = 18 492 weights, 18 432 in the first layer.

    An image takes 2 x 18 492 = 36 984 forward, and in training three times that without the gradient at the pixels,
    3 x 36 984 - 2 x 18 432 = 74 088. There are 8 updates of 100 images, and log points at 0, 4 and 8
    on 50 + 100 images.
    """
    assert cost.weights(SMALL) == 18_492
    by_hand = 8 * 100 * 74_088 + (3 * (50 + 100) + 900 + 100 + 200) * 36_984
    assert cost.flop(SMALL) == by_hand
    assert cost.flop(replace(SMALL, test=False)) == by_hand - 200 * 36_984
    assert cost.flop(replace(SMALL, log_every=5)) == by_hand, "at 0, 5 and 8"
    assert cost.flop(replace(SMALL, sample=5000)) == by_hand + 3 * 850 * 36_984
    two_stages = make({**vars(SMALL), "odd": {"stages": [[0.1, 0], [0.01, 0]]}})
    assert cost.flop(two_stages) == by_hand + 8 * 100 * 74_088 + 2 * 150 * 36_984


def test_flop_counts_the_images_that_there_are(tiny):
    assert cost.sizes(SMALL) == (900, 100, 200)
    assert cost.sizes(replace(SMALL, split="B1B2")) == (200, 200, 200)
    assert cost.sizes(replace(SMALL, n_train=400, n_validation=30)) == (400, 30, 200)


def test_share_of_what_the_cores_could_do(tiny):
    """Two runs in 10 s on 2 cores of 3 GFLOP/s each."""
    records = [{"run": {"experiment": vars(e) | {"odd": {}}}} for e in vary(SMALL, seed=range(2))]
    assert cost.total(records) == 2 * cost.flop(SMALL)
    assert cost.share(records, 10, 2, 3) == pytest.approx(2 * cost.flop(SMALL) / 6e10)


def test_the_rate_of_a_product_is_measured_in_about_half_a_second():
    start = time.perf_counter()
    rate = cost.product_rate()
    assert 1 < rate < 10_000 and time.perf_counter() - start < 3


# Passes


def queue_of(*experiments):
    return Queue({key(e): e for e in experiments})


def drain(queue, limit):
    """Return the sizes of the passes."""
    sizes = []
    while queue:
        sizes.append(len(queue.next(limit)[0]))
    return sizes


def test_a_pass_holds_what_may_be_trained_together_and_the_longest_comes_first(tiny):
    every = [*vary(SMALL, seed=range(3), l2=[0.1, 0.2, 0.3]), *vary(replace(SMALL, batch_norm=True), seed=range(21))]
    long = replace(SMALL, cycles=90)
    by_key, queue = {key(e): e for e in [*every, long]}, queue_of(*every, long)
    passes = []
    while queue:
        keys, flop = queue.next(float("inf"))
        passes.append([by_key[k] for k in keys])
        assert flop == pytest.approx(sum(map(cost.flop, passes[-1])))
    assert passes[0] == [long] and [len(p) for p in passes[1:]] == [7, 7, 7, 3]
    assert {len({shared(e) for e in p}) for p in passes} == {1}
    assert sorted(e.seed for p in passes for e in p) == sorted(e.seed for e in [*every, long])


def test_a_pass_takes_no_more_than_its_limit_but_at_least_one_run(tiny):
    one = cost.flop(SMALL)
    assert drain(queue_of(*vary(SMALL, seed=range(12))), limit=4 * one) == [4, 4, 4]
    assert drain(queue_of(*vary(SMALL, seed=range(10))), limit=100 * one) == [5, 5], "nine share a pass at most"
    assert drain(queue_of(*vary(SMALL, seed=range(3))), limit=0) == [1, 1, 1]


def test_a_pass_is_small_where_its_runs_are_large(tiny):
    """So that no process needs more than 700 MB; see Queue."""
    wide, whole_set = replace(SMALL, hidden=(500,)), make({**vars(SMALL), "odd": {"bn_statistics": "set"}})
    deep = replace(SMALL, hidden=NINE_LAYERS)
    assert [drain(queue_of(*vary(e, seed=range(9))), float("inf"))[0] for e in (wide, whole_set, deep)] == [3, 3, 9]


@pytest.mark.parametrize("counts", [(18,), (27,), (10, 1), (5, 3, 3), (1, 1, 1), (40, 7)])
def test_cores_that_take_their_part_of_what_is_left_finish_together(tiny, counts):
    """A core that gets free takes at most its half of the work that is left, passes under way included."""
    groups = [vary(replace(SMALL, cycles=2 + n), seed=range(count)) for n, count in enumerate(counts)]
    queue, busy, now = queue_of(*(e for group in groups for e in group)), [0.0, 0.0], 0.0
    longest = max(cost.flop(group[0]) for group in groups)
    heapq.heapify(busy)
    while queue:
        now = heapq.heappop(busy)
        left = queue.work + sum(end - now for end in busy)
        heapq.heappush(busy, now + queue.next(left / 2)[1])
    assert max(busy) - min(busy) <= 2 * longest


# Sharing the cores

OTHER = """
import pathlib, sys, time
from workbook.runs import cores, store
store.RESULTS = pathlib.Path(sys.argv[1])
share = cores.Share(2)
share.announce(float(sys.argv[2]))
while not share.take():
    time.sleep(0.01)
print(time.time(), flush=True)
input()
"""


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Start another process that takes one of two cores and tells when."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    started = []

    def start(work=1e9):
        command = [sys.executable, "-c", OTHER, str(tmp_path), str(work)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=store.ROOT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_core_is_free_again_when_its_process_is_killed(other):
    first = other()
    first.stdout.readline()  # it has one core, we take the other
    with closing(cores.Share(2)) as share:
        core = share.take()
        assert core and share.take() is None and share.others() == 1e9
        waiting = other(work=2e9)
        while share.others() < 3e9:
            time.sleep(0.01)
        killed = time.time()
        os.kill(first.pid, signal.SIGKILL)
        assert float(waiting.stdout.readline()) > killed
        first.wait()
        assert share.others() == 2e9, "the work of the dead does not count"
        core.close()
        time.sleep(cores.MOMENT)
        assert share.take()
    assert len(list(store.RESULTS.glob(".work-*"))) == 1, "that of the living"


def test_a_process_with_a_core_leaves_the_next_to_one_that_waits(other, monkeypatch):
    with closing(cores.Share(2)) as share:
        mine = [share.take(), share.take()]
        assert all(mine), "alone it takes all"
        waiting = other()
        while not share.others():
            time.sleep(0.01)
        time.sleep(0.1)
        monkeypatch.setattr(cores, "MOMENT", 60)
        mine.pop().close()
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline and not share.take():
            time.sleep(0.01)
        assert len([core for core in share.held if not core.closed]) == 1
        assert waiting.stdout.readline()


def test_on_a_cluster_there_is_always_room(other):
    with closing(cores.Share(0)) as share:
        assert all(share.take() for _ in range(20))
