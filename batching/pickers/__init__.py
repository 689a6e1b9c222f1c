"""How one batch is picked from a pool of candidates, with the weights of the moment."""
