"""Losses as formulas in numpy: their families, values and gradients, and the closed forms with their proofs."""
