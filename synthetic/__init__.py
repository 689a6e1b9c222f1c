"""Embeddings as free parameters, many replicates at once, held against the theory.

python synthetic.py --N 8 --d 16 --batch_size_list 2 --num_steps 2000
"""
