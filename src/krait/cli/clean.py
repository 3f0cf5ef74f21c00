"""`krait clean`: removes what Krait has cached."""

from __future__ import annotations

import os
import shutil

import click

from krait.cache_folder import cache_folder

_EPILOG = """\b
Examples:
  krait clean              remove cached images and kernels
  krait clean --images     remove cached images only
"""


@click.command(epilog=_EPILOG)
@click.option("--images", is_flag=True, help="Only images.")
@click.option("--kernels", is_flag=True, help="Only kernels.")
def clean(images: bool, kernels: bool) -> None:
    """Remove cached images and kernels; the next run makes them again."""
    everything = not images and not kernels
    folder = cache_folder()
    kept = {"environment"}
    freed = 0
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        is_kernel = name == "kernel"
        if name in kept or not (everything or (kernels if is_kernel else images)):
            continue
        path = os.path.join(folder, name)
        freed += _size(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    click.echo(f"{freed / (1 << 20):.1f} MiB removed from {folder}")


def _size(path: str) -> int:
    if not os.path.isdir(path):
        return os.lstat(path).st_size
    return sum(
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, names in os.walk(path)
        for name in names
    )
