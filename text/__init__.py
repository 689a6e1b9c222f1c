"""Texts: questions and answers from docstrings, word pieces, a small encoder, training, retrieval.

python -m text.train docstrings --selection spectral
"""
