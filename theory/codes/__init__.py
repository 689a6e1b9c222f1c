"""Spherical codes: the point sets that minimise energies, as exact cosines and as coordinates.

>>> from theory.codes import find_code
>>> code = find_code(240, 8)
>>> code.name, code.strength, code.coordinates.shape
('roots of E8', 7, (240, 8))
>>> find_code(24, 4) is None  # the 24-cell has been refuted
True
"""

from theory.codes.code import Code
from theory.codes.exact import QuadraticNumber
from theory.codes.families import cross_polytope_code, regular_polygon, simplex_code
from theory.codes.frames import cross_polytope, cross_polytope_gram, simplex_etf, simplex_etf_gram
from theory.codes.quadrangles import quadrangle_code
from theory.codes.table import CODES, find_code

__all__ = [
    "CODES",
    "Code",
    "QuadraticNumber",
    "cross_polytope",
    "cross_polytope_code",
    "cross_polytope_gram",
    "find_code",
    "quadrangle_code",
    "regular_polygon",
    "simplex_code",
    "simplex_etf",
    "simplex_etf_gram",
]
