"""The help of every command as one page: docs/cli.md, written by `python -m vlsa.cli.reference > docs/cli.md`."""

from typing import Any

import typer

from vlsa.cli import app

WIDTH = 100


def reference() -> str:
    """The page in Markdown; the same on every machine."""
    group = typer.main.get_command(app)
    parts = ["# Command line", "Generated from the help texts by `make docs`; a test checks that it is current."]
    with group.make_context("vlsa", [], resilient_parsing=True, terminal_width=WIDTH) as ctx:
        parts += _section("vlsa", group, ctx)
        for name in group.list_commands(ctx):
            parts += _pages(f"vlsa {name}", group.get_command(ctx, name), ctx)
    return "\n\n".join(parts) + "\n"


def _pages(title: str, command: Any, above: Any) -> list[str]:
    """The help of a command, and of the commands in it."""
    name = title.rpartition(" ")[2]
    own = command.make_context(name, [], parent=above, resilient_parsing=True, terminal_width=WIDTH)
    parts = _section(title, command, own)
    for inner in getattr(command, "commands", ()):
        parts += _pages(f"{title} {inner}", command.commands[inner], own)
    return parts


def _section(title: str, command: Any, ctx: Any) -> list[str]:
    lines = (line.rstrip() for line in command.get_help(ctx).strip().splitlines())
    return [f"## {title}", "```text\n" + "\n".join(lines) + "\n```"]


if __name__ == "__main__":
    typer.echo(reference(), nl=False)
