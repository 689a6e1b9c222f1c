"""Certificates: bounds that anyone can check, and what they say of given embeddings.

* `linear_program`: `energy_bound`, the Delsarte-Yudin bound, between grid points too; its witness polynomial.
* `universal`: `universal_bound`, from N and d alone.
* `hermite`: `hermite_certificate`, exact: a code is optimal for all absolutely monotone potentials.
* `logarithms`: `log_bound`, from energies to InfoNCE, CLIP and NT-Xent; the theorem that codes minimise these.
* `two_views`: `one_view`, why u = v is no loss of generality there.
* `local`: `local_certificate`, derivatives at given embeddings.

`theory.certify` puts them together for given embeddings.

>>> from theory.codes import find_code
>>> from theory.formulas.potentials import Exponential
>>> code, potential = find_code(12, 3), Exponential(0.5)
>>> abs(energy_bound(potential, 12, 3).value / code.energy(potential) - 1) < 1e-6
True
"""

from theory.certificates.gegenbauer import derivative_at_one, gegenbauer, gegenbauer_derivative
from theory.certificates.hermite import HermiteCertificate, hermite_certificate
from theory.certificates.linear_program import EnergyBound, energy_bound
from theory.certificates.local import LocalCertificate, local_certificate
from theory.certificates.logarithms import LogBound, chord_bound, log_bound, loss_bound
from theory.certificates.two_views import one_view
from theory.certificates.universal import Quadrature, design_bound, levenshtein_quadrature, universal_bound

__all__ = [
    "EnergyBound",
    "HermiteCertificate",
    "LocalCertificate",
    "LogBound",
    "Quadrature",
    "chord_bound",
    "derivative_at_one",
    "design_bound",
    "energy_bound",
    "gegenbauer",
    "gegenbauer_derivative",
    "hermite_certificate",
    "levenshtein_quadrature",
    "local_certificate",
    "log_bound",
    "loss_bound",
    "one_view",
    "universal_bound",
]
