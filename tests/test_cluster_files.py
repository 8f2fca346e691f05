"""The files for Slurm and Kubernetes: their schema, their shell, and our commands in them."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from signbin.cli.app import build_app

FOLDER = Path(__file__).parents[1] / "examples" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sbatch"))
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
# Options of sbatch that these files use, and what their values look like.
SBATCH = {
    "job-name": r"[a-z-]+",
    "nodes": r"\d+",
    "ntasks-per-node": r"\d+",
    "cpus-per-task": r"\d+",
    "gpus-per-node": r"\d+",
    "time": r"\d\d:\d\d:\d\d",
}
KINDS = {("v1", "Service"): "V1Service", ("batch/v1", "Job"): "V1Job"}


def shell_of(path):
    """The shell text of a file."""
    text = path.read_text()
    if path.suffix == ".sbatch":
        return text
    documents = [each for each in yaml.safe_load_all(text) if each["kind"] == "Job"]
    containers = documents[0]["spec"]["template"]["spec"]["containers"]
    return "\n".join(each["args"][0] for each in containers)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_slurm_reads_every_directive(path):
    found = re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", path.read_text(), re.MULTILINE)
    assert len(found) == path.read_text().count("#SBATCH") >= 5
    for name, value in found:
        assert re.fullmatch(SBATCH[name], value), name


@pytest.mark.parametrize("path", [*SCRIPTS, *MANIFESTS], ids=lambda path: path.name)
def test_the_shell_of_every_file_parses(path):
    done = subprocess.run(
        ["bash", "-n"], input=shell_of(path), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [*SCRIPTS, *MANIFESTS], ids=lambda path: path.name)
def test_the_command_line_takes_every_command_of_ours(path):
    joined = shell_of(path).replace("\\\n", " ")
    lines = re.findall(r"^(?!#).*?\bsignbin ((?:predict|train) .*)$", joined, re.MULTILINE)
    assert len(lines) == 1
    verbs = typer.main.get_command(build_app()).commands
    verb, *arguments = shlex.split(lines[0])
    context = verbs[verb].make_context(verb, arguments, resilient_parsing=False)
    given = {name: value for name, value in context.params.items() if value not in (None, False)}
    assert {"output", "ray" if verb == "predict" else "resume"} <= set(given)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_knows_every_field(path):
    client = pytest.importorskip("kubernetes.client", reason="needs the extra dev")
    for document in yaml.safe_load_all(path.read_text()):
        model = KINDS[document["apiVersion"], document["kind"]]
        expect_fields(client, document, model, document["kind"])


def expect_fields(client, found, model, where):
    """Every field is one of the API's, required ones are there, and values have its types."""
    wanted = re.fullmatch(r"([lL]ist\[|[dD]ict[(\[]str, )?(\w+)[\])]?", model)
    assert wanted, f"{where}: {model}"
    if (wanted[1] or "").lower() == "list[":
        assert isinstance(found, list), where
        for number, each in enumerate(found):
            expect_fields(client, each, wanted[2], f"{where}[{number}]")
        return
    if wanted[1]:
        assert isinstance(found, dict), where
        for key, each in found.items():
            expect_fields(client, each, wanted[2], f"{where}.{key}")
        return
    if not hasattr(client, model):
        kinds = {"str": str, "int": int, "bool": bool, "object": object, "float": (int, float)}
        assert isinstance(found, kinds[model]), f"{where}: {found!r} is no {model}"
        return
    kind = getattr(client, model)
    names = {
        theirs: (ours, kind.openapi_types[ours]) for ours, theirs in kind.attribute_map.items()
    }
    assert set(found) <= set(names), f"{where}: {sorted(set(found) - set(names))}"
    for key, each in found.items():
        expect_fields(client, each, names[key][1], f"{where}.{key}")
    kind(**{names[key][0]: each for key, each in found.items()})  # refuses where one is missing


def test_the_image_s_command_is_one_that_the_command_line_takes():
    """Every instruction is one of the format, exec forms are JSON, and serve takes its options."""
    lines = (FOLDER.parent / "server" / "Containerfile").read_text().splitlines()
    steps = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    known = {"FROM", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"}
    assert set(steps) == known
    command = json.loads(steps["ENTRYPOINT"])
    probe = json.loads(steps["HEALTHCHECK"].removeprefix("CMD "))
    compile(probe[2], "probe", "exec")
    assert command[:2] == ["/bin/sh", "-c"]
    verb, *arguments = shlex.split(command[2].removeprefix("exec signbin "))
    assert verb == "serve"
    serve = typer.main.get_command(build_app()).commands["serve"]
    given = serve.make_context("serve", [each for each in arguments if each != "$@"]).params
    assert (given["host"], str(given["port"])) == ("0.0.0.0", steps["EXPOSE"])
