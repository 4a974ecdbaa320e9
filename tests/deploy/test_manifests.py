"""Compose, Swarm, Kubernetes and systemd files: they parse, hang together, and call commands that exist."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from taskq.cli import COMMANDS, main
from taskq.cli.options import GlobalFlags
from taskq.model.moment import parse_duration
from tests.deploy.files import DEPLOY, MANIFESTS, ROOT, command_lines, compose, documents, workloads

# made by `kubectl create secret`, as the head of the files says
_SECRETS = {"taskq-redis": {"password", "url"}}
_SERVICE_KEYS = {
    *("build", "cap_drop", "command", "configs", "depends_on", "deploy", "entrypoint", "environment", "healthcheck"),
    *("image", "mem_limit", "networks", "ports", "profiles", "read_only", "restart", "secrets", "security_opt"),
    *("stop_grace_period", "tmpfs", "volumes"),
}
LINES = list(command_lines())


def parse(words: list[str]) -> click.Context:
    """Let the real command line read some words, and run nothing."""
    context = click.Context(main, obj=GlobalFlags())
    command: click.Command = main
    for at, word in enumerate(words):
        below = command.get_command(context, word) if isinstance(command, click.Group) else None
        if below is None:
            return command.make_context(" ".join(words[:at]), words[at:], parent=context)
        command = below
    return command.make_context(" ".join(words), [], parent=context)


def test_there_are_command_lines_in_every_kind_of_file() -> None:
    text = " ".join(where for where, _ in LINES)
    for name in ("docker-compose.yml worker", "stack.yml scheduler", "worker.yaml", ".service", "Dockerfile", "alert "):
        assert name in text
    assert len(LINES) > 25


@pytest.mark.parametrize(("where", "words"), LINES, ids=[where for where, _ in LINES])
def test_every_command_line_is_one_of_taskq(where: str, words: list[str]) -> None:
    if words[0] == "dashboard" and "dashboard" not in {name for section in COMMANDS.values() for name in section}:
        pytest.skip("this release has no dashboard")
    parse(words)


def test_a_flag_that_does_not_exist_is_found() -> None:
    with pytest.raises(click.UsageError):
        parse(["worker", "--gracefully", "50s"])
    with pytest.raises(click.UsageError):
        parse(["worker", "--metrics-port", "here"])


# -- what would kill running tasks --


def grace_of(words: list[str]) -> float:
    return float(parse(words).params["grace"])


@pytest.mark.parametrize("name", ["docker-compose.yml", "swarm/stack.yml"])
def test_containers_wait_longer_than_their_tasks_may_take(name: str) -> None:
    service = compose(name)["services"]["worker"]
    assert parse_duration(service["stop_grace_period"]) > grace_of(service["command"]) + 5


def test_pods_wait_longer_than_their_tasks_may_take() -> None:
    (pod,) = [found["spec"]["template"]["spec"] for path, found in workloads() if path.name == "worker.yaml"]
    assert pod["terminationGracePeriodSeconds"] > grace_of(pod["containers"][0]["args"]) + 5


def test_units_wait_longer_than_their_tasks_may_take() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd have capitals
    unit.read(DEPLOY / "systemd" / "taskq-worker@.service")
    (words,) = [words for where, words in LINES if where == "taskq-worker@.service"]
    assert float(unit["Service"]["TimeoutStopSec"]) > grace_of(words) + 5
    assert unit["Service"]["KillMode"] == "mixed"


# -- compose and swarm --


@pytest.mark.parametrize("name", ["docker-compose.yml", "swarm/stack.yml"])
def test_what_a_compose_file_refers_to_is_there(name: str) -> None:
    found = compose(name)
    for service, spec in found["services"].items():
        assert spec.keys() <= _SERVICE_KEYS, service
        assert set(spec["networks"]) <= found["networks"].keys()
        assert set(spec.get("depends_on", ())) <= found["services"].keys()
        assert set(spec.get("secrets", ())) <= found.get("secrets", {}).keys()
        for volume in spec.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert ((DEPLOY / name).parent / source).exists(), source
            elif not source.startswith("$"):
                assert source in found["volumes"]
        for port in spec.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "nothing is open to the world unless somebody asks for it"
    for config in found.get("configs", {}).values():
        assert ((DEPLOY / name).parent / config["file"]).exists()


def test_the_services_that_belong_together() -> None:
    services = compose("docker-compose.yml")["services"]
    assert {"redis", "worker", "scheduler", "dashboard"} <= {
        n for n, spec in services.items() if "profiles" not in spec
    }
    assert services["redis-commander"]["profiles"] == ["tools"]
    assert services["worker"]["depends_on"]["redis"]["condition"] == "service_healthy"
    assert "ports" not in services["redis"]


def limit_of(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([kmg])(?:b|i)?", text.lower()).groups()  # type: ignore[union-attr]
    return int(number) << {"k": 10, "m": 20, "g": 30}[unit]


def memory_limits() -> Iterator[str]:
    yield compose("docker-compose.yml")["services"]["redis"]["mem_limit"]
    yield compose("swarm/stack.yml")["services"]["redis"]["deploy"]["resources"]["limits"]["memory"]
    (pod,) = [found["spec"]["template"]["spec"] for path, found in workloads() if path.name == "redis.yaml"]
    yield pod["containers"][0]["resources"]["limits"]["memory"]


def test_the_server_has_room_for_a_fork() -> None:
    conf = (DEPLOY / "redis" / "redis.conf").read_text(encoding="utf-8")
    maxmemory = limit_of(re.findall(r"^maxmemory (\S+)$", conf, re.MULTILINE)[0])
    for limit in memory_limits():
        assert limit_of(limit) >= 1.5 * maxmemory


# -- Kubernetes --


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_object_says_what_it_is(path: Path) -> None:
    for found in documents(path):
        if isinstance(found, list):  # a patch in the form of JSON
            assert all(step["op"] in ("add", "replace", "remove") for step in found)
            continue
        assert found["apiVersion"]
        assert found["kind"]
        assert found["kind"] == "Kustomization" or found["metadata"]["name"].startswith("taskq-")


@pytest.mark.parametrize(
    "path", sorted((DEPLOY / "kubernetes").rglob("kustomization.yaml")), ids=lambda p: p.parent.name
)
def test_every_file_of_a_kustomization_is_there(path: Path) -> None:
    (found,) = documents(path)
    names = [*found["resources"], *(patch["path"] for patch in found.get("patches", ()))]
    names += [
        file.rpartition("=")[2] for generator in found.get("configMapGenerator", ()) for file in generator["files"]
    ]
    for name in names:
        assert (path.parent / name).exists(), name


def config_maps() -> set[str]:
    return {
        generator["name"]
        for path in MANIFESTS
        if path.name == "kustomization.yaml"
        for generator in documents(path)[0].get("configMapGenerator", ())
    }


def containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path, found in workloads():
        pod = found["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield f"{path.parent.name}/{path.name}", pod, container


@pytest.mark.parametrize(("where", "pod", "container"), list(containers()), ids=[c[0] for c in containers()])
def test_containers_are_modest_and_watched(where: str, pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["resources"]["limits"]["memory"]
    volumes = {volume["name"] for volume in pod.get("volumes", ())} | {"data"}
    assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
    maps = {volume["configMap"]["name"] for volume in pod.get("volumes", ()) if "configMap" in volume}
    assert maps <= config_maps()
    ports = {port["name"] for port in container.get("ports", ())}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "httpGet" in container.get(name, {}):
            assert container[name]["httpGet"]["port"] in ports
            assert container[name]["httpGet"]["path"] in ("/livez", "/readyz")
    for variable in container.get("env", ()):
        reference = variable["valueFrom"]["secretKeyRef"]
        assert reference["key"] in _SECRETS[reference["name"]]


def test_selectors_find_their_pods() -> None:
    for path, found in workloads():
        wanted = found["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= found["spec"]["template"]["metadata"]["labels"].items(), path


@pytest.mark.parametrize("variant", ["sentinel", "cluster"])
def test_a_variant_changes_what_the_base_has(variant: str) -> None:
    names = {(found["kind"], found["metadata"]["name"]) for _, found in workloads()}
    (found,) = documents(DEPLOY / "kubernetes" / variant / "kustomization.yaml")
    for patch in found["patches"]:
        for target in documents(DEPLOY / "kubernetes" / variant / patch["path"]):
            if isinstance(target, dict):
                assert (target["kind"], target["metadata"]["name"]) in names


def test_autoscalers_scale_the_workers() -> None:
    for name in ("keda.yaml", "hpa.yaml"):
        (found,) = documents(DEPLOY / "kubernetes" / "autoscaling" / name)
        assert found["spec"]["scaleTargetRef"]["name"] == "taskq-worker"


# -- the image and the units --


def test_the_image_has_no_root_and_passes_signals_on() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert text.rindex("\nUSER 10001") > text.rindex("\nFROM")
    assert 'ENTRYPOINT ["tini", "--", "taskq"]' in text
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (extras,) = re.findall(r"'\.\[(.*)\]'", text)
    assert set(extras.split(",")) - {"web"} <= set(setup["options.extras_require"])
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda path: path.name)
def test_systemd_accepts_a_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("this machine has no systemd-analyze")
    # the program and the account of the real machine are not here
    text = path.read_text(encoding="utf-8").replace("/opt/taskq/bin/taskq", "/bin/true").replace("User=taskq\n", "")
    unit = tmp_path / path.name.replace("@", "@1")
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if path.stem.partition("@")[0] in line]
    assert complaints == []


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_shell(path: Path) -> None:
    subprocess.run(["sh", "-n", path], check=True, timeout=10)
