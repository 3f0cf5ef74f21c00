"""`krait apps`: lists the ready-made images, and runs their own tests."""

from __future__ import annotations

import json

import click

from krait.apps.catalogue import app_names, find_app, missing_of, packages_of
from krait.apps.definition import App
from krait.apps.starting import check
from krait.cli.messages import note, say
from krait.errors import UserError

_EPILOG = """\b
Examples:
  krait apps                      list them
  krait apps ruby                 what one is made of
  krait apps --smoke ruby perl    run the tests of two
  krait run --app ruby            run one; krait run apps/ruby is the same
"""


@click.command(epilog=_EPILOG)
@click.option("--smoke", is_flag=True, help="Run the apps' own tests.")
@click.option("--install", is_flag=True, help="Install the Debian packages that they need.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.argument("names", nargs=-1, metavar="[APP]...")
def apps(smoke: bool, install: bool, as_json: bool, names: tuple[str, ...]) -> int:
    """List ready-made images: programs with all that they need, each a file under apps/."""
    chosen = [find_app(name) for name in names or app_names()]
    if install:
        _install(chosen)
    if smoke:
        return _smoke(chosen, as_json=as_json)
    for app in chosen:
        if as_json:
            click.echo(json.dumps(_facts(app)))
        elif names:
            _show(app)
        else:
            click.echo(f"{app.name:<12} {app.description}")
    return 0


def _install(chosen: list[App]) -> None:
    from krait.installation.packages import install_packages

    missing = missing_of(packages_of(chosen))
    if missing and not install_packages(missing):
        raise UserError("not every package could be installed")


def _smoke(chosen: list[App], *, as_json: bool) -> int:
    """Run the tests one after the other; the status says whether all passed."""
    failed = 0
    for app in chosen:
        try:
            report = check(app, note)
        except UserError as error:
            missing = missing_of(app.packages)
            needs = f" (krait apps --install {app.name} installs {', '.join(missing)})"
            failed += 1
            say(f"{app.name}: {error.message}{needs if missing else ''}")
            continue
        failed += bool(report.problem)
        if as_json:
            facts = {"app": app.name, "passed": not report.problem, "problem": report.problem}
            click.echo(json.dumps(facts | {"seconds": round(report.seconds, 2)}))
        else:
            word = f"failed: {report.problem}" if report.problem else "ok"
            click.echo(f"{app.name:<12} {report.seconds:5.1f} s  {word}")
        if report.problem:
            say(f"{app.name} printed:\n{report.output}{report.errors}".rstrip())
    return 1 if failed else 0


def _show(app: App) -> None:
    """Print what an app is made of."""
    click.echo(f"{app.name}: {app.description}")
    for key, value in _facts(app).items():
        if value and key not in ("name", "description"):
            text = " ".join(value) if isinstance(value, list) else value
            click.echo(f"  {key:<12} {text}")


def _facts(app: App) -> dict[str, object]:
    return {
        "name": app.name,
        "description": app.description,
        "folder": app.folder,
        "program": app.program,
        "arguments": app.arguments,
        "build": app.build,
        "finder": app.finder,
        "files": app.files,
        "memory": f"{app.memory_bytes >> 20} MiB" if app.memory_bytes else None,
        "cpus": app.cpus,
        "environment": [f"{name}={value}" for name, value in app.environment.items()],
        "packages": app.packages,
        "missing": missing_of(app.packages),
    }
