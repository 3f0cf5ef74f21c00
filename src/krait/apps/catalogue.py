"""Finds apps: by name in the checkout's `apps/` folder, or by the path of any folder."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
from collections.abc import Iterable

from krait.apps.definition import FILE_NAME, App, load
from krait.checkout import checkout_folder
from krait.errors import UserError


def apps_folder() -> str:
    """Give the folder that comes with Krait; it need not exist."""
    try:
        return os.path.join(checkout_folder(), "apps")
    except UserError:
        return ""


def app_names() -> list[str]:
    """List the apps that come with Krait."""
    folder = apps_folder()
    try:
        names = sorted(os.listdir(folder)) if folder else []
    except OSError:
        return []
    return [name for name in names if os.path.exists(os.path.join(folder, name, FILE_NAME))]


def find_app(wanted: str) -> App:
    """Load an app by its name, or by the path of a folder or of a definition."""
    path = wanted.removesuffix(f"/{FILE_NAME}") if "/" in wanted else wanted
    if "/" in wanted or os.path.exists(os.path.join(path, FILE_NAME)):
        if not os.path.exists(os.path.join(path, FILE_NAME)):
            raise UserError(f"{wanted}: no app there: it has no {FILE_NAME}")
        return load(path)
    names = app_names()
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise UserError(f"no app '{wanted}'; {hint}")
    return load(os.path.join(apps_folder(), wanted))


def packages_of(apps: Iterable[App]) -> list[str]:
    """List the Debian packages that apps need, each once."""
    return list(dict.fromkeys(package for app in apps for package in app.packages))


def missing_of(packages: list[str]) -> list[str]:
    """List the packages that are not installed; none where dpkg does not know.

    One that is called as its program counts as installed where the program is there: `rustc`.
    """
    if not packages:
        return []
    try:
        done = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${binary:Package} ${Status}\\n", *packages],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return []
    lines = [line for line in done.stdout.splitlines() if line.endswith(" installed")]
    installed = {line.split()[0].partition(":")[0] for line in lines}
    return [
        package
        for package in packages
        if package not in installed and shutil.which(package) is None
    ]
