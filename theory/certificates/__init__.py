"""Certificates: bounds that anyone can check, and what they say of given embeddings."""
