"""Our losses in other trainers; each module needs the library of its name."""
