"""Every figure, a pure function of small committed tables; no torch, no trainer.

python -m figures                    # all of them, from figures/data to figures/out
python -m figures --run runs/mine    # those of one run, into its folder
python -m figures.table runs/        # bring figures/data up to date with finished runs
"""
