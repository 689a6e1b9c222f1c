"""What a sampler needs in other trainers; each module needs the library of its name, when it is used.

Plain torch, also in several processes, needs nothing of this but perhaps `embedding`.
"""
