"""The Triton kernel of `batching.algorithms.assignment`: a program for each of thousands of small problems."""

# Kernels are traced by Triton, which has its own idea of types: parameters in capitals are compile-time constants.
# pyright: basic, reportPossiblyUnboundVariable=false

from typing import no_type_check

import triton
from triton import language as tl


@triton.jit
@no_type_check
def at(values, places, place):
    """values[place]: what lies in registers is found by looking at all of it."""
    return tl.sum(tl.where(places == place, values, tl.zeros_like(values)))


@triton.jit
@no_type_check
def assignment_kernel(cost_at, labels_at, items, clusters, size, PLACES: tl.constexpr):
    """Which cluster each item of a problem goes to, `size` items to each, at the least total cost.

    Every cluster has `size` places. Items enter one after the other, each along the shortest augmenting path in
    reduced costs, cost - (price of the item) - (price of the place) >= 0 with equality where items are, found by
    Dijkstra's algorithm. The price of an item is kept with the place that it has.
    """
    place = tl.arange(0, PLACES)
    inside = place < items
    cost_at += tl.program_id(0).to(tl.int64) * items * clusters
    labels_at += tl.program_id(0).to(tl.int64) * items
    zeros = tl.zeros((PLACES,), tl.float64)
    zero = tl.sum(zeros)
    far = zeros + float("inf")
    place_price, item_price = zeros, zeros
    item_of = tl.full((PLACES,), -1, tl.int32)
    for entering in range(items):
        distance, visited = far, place < 0
        previous = tl.full((PLACES,), -1, tl.int32)
        item, price, reached = entering, zero, zero
        last = -1
        steps = 0
        while (item >= 0) & (steps < items):  # a path is no longer, but for costs that are not finite
            steps += 1
            cost = tl.load(cost_at + item * clusters + place // size, mask=inside, other=float("inf"))
            through = reached + cost.to(tl.float64) - price - place_price
            better = (through < distance) & (visited == 0)
            distance = tl.where(better, through, distance)
            previous = tl.where(better, last, previous)
            ahead = tl.where(visited, far, distance)
            reached = tl.min(ahead, 0)
            last = tl.argmin(ahead, 0)
            item = at(item_of, place, last)
            price = at(item_price, place, last)
            visited = visited | ((place == last) & (item >= 0))  # the last place of a path is not part of its tree
        # What was reached early becomes dearer by the distance that was left.
        saved = tl.where(visited, reached - distance, zeros)
        place_price -= saved
        item_price += saved
        while last >= 0:  # back along the path, every item one place on
            before = at(previous, place, last)
            moved = tl.where(before >= 0, at(item_of, place, before), entering)
            moved_price = tl.where(before >= 0, at(item_price, place, before), reached)
            item_of = tl.where(place == last, moved, item_of)
            item_price = tl.where(place == last, moved_price, item_price)
            last = before
    tl.store(labels_at + item_of, (place // size).to(tl.int64), mask=inside & (item_of >= 0))
