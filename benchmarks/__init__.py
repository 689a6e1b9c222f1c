"""Measured ratios, side by side in one run; results are committed under benchmarks/results.

python -m benchmarks.throughput --source PATH    # against the original synthetic code
python -m benchmarks.gpu                         # what `make gpu` runs
"""
