"""What is known of every loss: `optimum`, and where it is not known, `search` and `certify`.

* `lookup`: `optimum`, the smallest value of a loss, how far it is proved, and what attains it.
* `log_sums`, `kernel_sums`, `supervised`, `sigmoid`, `signs`: its entries, family by family.
* `candidates`, `counterexamples`: natural point sets, and what is lower than they are.
* `search`: the smallest value from many starts. `certify`: how far given embeddings can be from the minimum.
"""

from theory.ledger.certify import Certificate, certify
from theory.ledger.counterexamples import COUNTEREXAMPLES
from theory.ledger.entry import Optimum
from theory.ledger.lookup import optimum
from theory.ledger.search import SearchResult, search

__all__ = ["COUNTEREXAMPLES", "Certificate", "Optimum", "SearchResult", "certify", "optimum", "search"]
