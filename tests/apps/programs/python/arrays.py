"""numpy: OpenBLAS on all CPUs, LAPACK, random numbers, files, the calling of C and of threads."""

import ctypes
import glob
import os
import sys
import tempfile
import threading

import numpy as np

random = np.random.default_rng(4)
big = random.random((128, 128))
other = random.random((128, 128))


def threads_of_blas():
    """Ask the OpenBLAS that the wheel brings."""
    folder = os.path.join(os.path.dirname(np.__file__), "..", "numpy.libs")
    (path,) = glob.glob(os.path.join(folder, "libscipy_openblas*"))
    return ctypes.CDLL(path).scipy_openblas_get_num_threads64_()


def show(name, value):
    print(name, np.array2string(np.asarray(value), precision=6, suppress_small=True))


product = big @ other
show("product", product[::42, ::42])
show("alone", np.allclose(product[7], [sum(big[7] * other[:, n]) for n in range(128)]))
print("threads", threads_of_blas() == len(os.sched_getaffinity(0)))
print("as many tasks", len(os.listdir("/proc/self/task")) == len(os.sched_getaffinity(0)))
symmetric = big @ big.T
show("determinant", np.linalg.slogdet(big))
show("inverse", np.abs(np.linalg.inv(big) @ big - np.eye(128)).max() < 1e-6)
show("solution", np.linalg.solve(big, other[:, 0])[:4])
show("eigenvalues", np.linalg.eigvalsh(symmetric)[-3:])
show("singular values", np.linalg.svd(other, compute_uv=False)[:3])
positive = symmetric + np.eye(128)
lower = np.linalg.cholesky(positive)
show("decomposition", np.allclose(lower @ lower.T, positive))
q, r = np.linalg.qr(other)
show("orthogonal", np.allclose(q @ r, other))
show("spectrum", np.abs(np.fft.rfft(np.sin(np.arange(256) * np.pi / 8)))[15:18])
show("sum", np.einsum("ij,jk,ik->", big, other, product))
show("sorted", np.sort(random.integers(0, 1000, 5000))[::1000])
show("types", np.arange(12, dtype=np.float32).reshape(3, 4).T.astype(np.complex64)[1])
with tempfile.TemporaryDirectory() as folder:
    np.savez_compressed(f"{folder}/all.npz", big=big)
    show("loaded", (np.load(f"{folder}/all.npz")["big"] == big).all())
    np.save(f"{folder}/one.npy", big)
    mapped = np.load(f"{folder}/one.npy", mmap_mode="r+")
    mapped[0] = 1
    mapped.flush()
    show("mapped", np.load(f"{folder}/one.npy")[0].sum())
results = [None] * 4


def work(number):
    results[number] = (big[number::4] @ other).sum()


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
show("from threads", np.isclose(sum(results), product.sum()))
try:
    np.linalg.inv(np.zeros((2, 2)))
except np.linalg.LinAlgError as error:
    print(error, file=sys.stderr)
sys.exit(3)
