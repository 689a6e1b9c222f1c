"""`python -m batching`: batches for the embeddings in a file."""
