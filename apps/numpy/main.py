"""Solves a system of a hundred equations."""

import numpy as np

print("hello from numpy")
matrix = np.random.default_rng(4).random((100, 100))
wanted = np.arange(100.0)
found = np.linalg.solve(matrix, matrix @ wanted)
print("a hundred unknowns:", "solved" if np.allclose(found, wanted) else "wrong")
