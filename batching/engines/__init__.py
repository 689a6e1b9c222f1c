"""Partition engines: each cuts pools of embedded pairs into batches of exactly equal size."""
