"""Command lines in tests: the examples of the help texts, whether a line parses, and running one."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from vlsa.cli import app

ROOT = Path(__file__).parent.parent
GROUP = typer.main.get_command(app)
COMMANDS = GROUP.list_commands(None)


def examples(command: str = "") -> list[str]:
    """The example lines in the help of a command, or of `vlsa` itself."""
    text = GROUP.get_command(None, command).epilog if command else GROUP.help
    whole = text.replace("\\\n", " ")  # a long one goes on in the next line
    return [" ".join(line.split()) for line in whole.splitlines() if line.strip().startswith("vlsa ")]


def parse(line: str) -> None:
    """Check a `vlsa ...` line without running it. Raises what typer raises for an unknown command or option."""
    words = shlex.split(line, comments=True)
    assert words[0] == "vlsa", line
    try:
        with GROUP.make_context("vlsa", words[1:]) as ctx:
            command = GROUP
            while isinstance(command, typer.core.TyperGroup):  # a group in a group: vlsa export onnx
                name, command, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
                ctx = command.make_context(name, rest, parent=ctx)
    except typer.Exit:  # --help and --version end here
        return


def call(line: str) -> Result:
    """Run a line in this process; `< FILE` at its end is what it reads from stdin."""
    line, _, path = line.partition(" < ")
    typed = Path(path).read_text(encoding="utf-8") if path else None
    return CliRunner().invoke(app, shlex.split(line)[1:], prog_name="vlsa", input=typed)


def start(line: str, folder: Path, **environment: str) -> subprocess.Popen:
    """Run a line as a person does, in a process of its own."""
    command = [sys.executable, "-m", "vlsa.cli", *shlex.split(line)[1:]]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.Popen(
        command, cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: subprocess.Popen, timeout_seconds: float = 240) -> tuple[str, str]:
    """What a process wrote to stdout and to stderr until its end. One that does not end is killed and fails."""
    try:
        return process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"no end in {timeout_seconds:g} s: {process.communicate()}") from None


def run(line: str, folder: Path, expected: int = 0) -> tuple[str, str]:
    """What a line, run in a process of its own, wrote to stdout and to stderr."""
    process = start(line, folder)
    out, errors = ended(process)
    assert process.returncode == expected, f"{line}\n{out}\n{errors}"
    return out, errors
