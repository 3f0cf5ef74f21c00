"""numpy: OpenBLAS on all CPUs, LAPACK, random numbers, files, the calling of C and of threads."""

import ctypes
import glob
import os
import sys
import tempfile
import threading

import numpy

random = numpy.random.default_rng(4)
big = random.random((400, 400))
other = random.random((400, 400))


def threads_of_blas():
    """Ask the OpenBLAS that the wheel brings."""
    folder = os.path.join(os.path.dirname(numpy.__file__), "..", "numpy.libs")
    (path,) = glob.glob(os.path.join(folder, "libscipy_openblas*"))
    return ctypes.CDLL(path).scipy_openblas_get_num_threads64_()


def show(name, value):
    print(name, numpy.array2string(numpy.asarray(value), precision=6, suppress_small=True))


product = big @ other
show("product", product[::133, ::133])
show("alone", numpy.allclose(product[7], [sum(big[7] * other[:, n]) for n in range(400)]))
print("threads", threads_of_blas() == len(os.sched_getaffinity(0)))
print("as many tasks", len(os.listdir("/proc/self/task")) == len(os.sched_getaffinity(0)))
symmetric = big @ big.T
show("determinant", numpy.linalg.slogdet(big))
show("inverse", numpy.abs(numpy.linalg.inv(big) @ big - numpy.eye(400)).max() < 1e-6)
show("solution", numpy.linalg.solve(big, other[:, 0])[:4])
show("eigenvalues", numpy.linalg.eigvalsh(symmetric)[-3:])
show("singular values", numpy.linalg.svd(other, compute_uv=False)[:3])
show("decomposition", numpy.allclose(numpy.linalg.cholesky(symmetric + numpy.eye(400)) ** 2 >= 0, True))
q, r = numpy.linalg.qr(other)
show("orthogonal", numpy.allclose(q @ r, other))
show("spectrum", numpy.abs(numpy.fft.rfft(numpy.sin(numpy.arange(256) * numpy.pi / 8)))[15:18])
show("sum", numpy.einsum("ij,jk,ik->", big, other, product))
show("sorted", numpy.sort(random.integers(0, 1000, 5000))[::1000])
show("types", numpy.arange(12, dtype=numpy.float32).reshape(3, 4).T.astype(numpy.complex64)[1])
with tempfile.TemporaryDirectory() as folder:
    numpy.savez_compressed(f"{folder}/all.npz", big=big)
    show("loaded", (numpy.load(f"{folder}/all.npz")["big"] == big).all())
    numpy.save(f"{folder}/one.npy", big)
    mapped = numpy.load(f"{folder}/one.npy", mmap_mode="r+")
    mapped[0] = 1
    mapped.flush()
    show("mapped", numpy.load(f"{folder}/one.npy")[0].sum())
results = [None] * 4


def work(number):
    results[number] = (big[number::4] @ other).sum()


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
show("from threads", numpy.isclose(sum(results), product.sum()))
try:
    numpy.linalg.inv(numpy.zeros((2, 2)))
except numpy.linalg.LinAlgError as error:
    print(error, file=sys.stderr)
sys.exit(3)
