"""Spherical codes: the point sets that minimise energies, as exact cosines and as coordinates."""
