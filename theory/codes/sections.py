"""New codes out of old ones: the points that see given points at given angles, seen from there."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def section(
    vectors: Int[np.ndarray, "n ambient"],
    products: Sequence[int],
    *,
    through: Sequence[tuple[Int[np.ndarray, " ambient"], int]] = (),
) -> Float[np.ndarray, "m dim"]:
    """The vectors x with given products x.a with anchors a, projected off the anchors and scaled to unit length.

    The first anchors are given; each further one is the first vector that is left. In a set with enough symmetry
    (the minimal vectors of E8 and of the Leech lattice) it does not matter which vectors are the anchors.

    Args:
        vectors: integer vectors of one length.
        products: the products with the further anchors, in turn.
        through: given anchors, each with its product.

    Returns:
        Unit rows in as many dimensions as the anchors leave, in an orthonormal basis of their complement.

    Cost: O(n ambient) per anchor.
    """
    anchors: list[Int[np.ndarray, " ambient"]] = []
    for anchor, product in through:
        vectors = vectors[vectors @ anchor == product]
        anchors.append(anchor)
    for product in products:
        anchors.append(vectors[0])
        vectors = vectors[vectors @ vectors[0] == product]
    basis = np.linalg.qr(np.array(anchors, dtype=np.float64).T, mode="complete").Q
    return unit_rows(vectors @ basis[:, len(anchors) :])


def unit_rows(vectors: Float[np.ndarray, "n dim"] | Int[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    """Every row over its length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
