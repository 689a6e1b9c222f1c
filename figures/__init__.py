"""Every figure, a pure function of small committed tables; no torch, no trainer.

python -m figures                    # all of them, from figures/data to figures/out
python -m figures race heatmaps      # only these
python -m figures --run runs/mine    # those of one run, into its folder
python -m figures.table runs/        # bring figures/data up to date with finished runs
python -m figures.gallery            # the gallery figures/README.md, with every claim and its verdict

A figure is a module with CLAIM, TABLES, COMMAND, pictures(tables) and evidence(tables), registered in
figures/registry.py.
"""
