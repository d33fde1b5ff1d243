"""Interleaved timing, so that whatever else the machine does affects all contestants alike."""

import time

import numpy as np


def interleave(cases, seconds, block=0.02, rounds=5):
    """Return {name: {"median", "best", "rounds"}}, in seconds a call, for {name: function}.

    Each function is called in blocks of about ``block`` seconds, one block of each in turn, until ``seconds`` are
    over and each had at least ``rounds`` blocks. Two calls beforehand warm it up.
    """
    calls = {name: max(1, round(block / _once(function))) for name, function in cases.items()}
    blocks, end = {name: [] for name in cases}, time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(blocks.values()))) < rounds:
        for name, function in cases.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                function()
            blocks[name].append((time.perf_counter() - start) / calls[name])
    return {name: {"median": float(np.median(t)), "best": min(t), "rounds": len(t)} for name, t in blocks.items()}


def _once(function):
    function()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
