"""What stands in the files of ``deploy``, read with the parsers of their formats."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))

Line = tuple[str, list[str]]


def documents(path: Path) -> list[Any]:
    """Return the documents of a YAML file."""
    return [found for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found is not None]


def compose(name: str) -> dict[str, Any]:
    """Return a compose file."""
    (found,) = documents(DEPLOY / name)
    return dict(found)


def workloads() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each Kubernetes object that has pods, patches left out."""
    for path in MANIFESTS:
        for found in documents(path):
            if isinstance(found, dict) and "selector" in found.get("spec", {}) and "template" in found["spec"]:
                yield path, found


def command_lines() -> Iterator[Line]:
    """Yield every command line of taskq in the files, without the name of the program, and where it stands."""
    for name in ("docker-compose.yml", "swarm/stack.yml"):
        for service, spec in compose(name)["services"].items():
            if "taskq" in spec["image"]:
                yield f"{name} {service}", spec["command"]
            test = spec.get("healthcheck", {}).get("test", [])
            if test[:2] == ["CMD", "taskq"]:
                yield f"{name} {service} healthcheck", test[2:]
    for path, found in workloads():
        for container in found["spec"]["template"]["spec"]["containers"]:
            if container["image"] == "taskq":
                yield str(path.relative_to(ROOT)), container["args"]
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        (line,) = re.findall(r"^ExecStart=\S+/taskq (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        yield path.name, shlex.split(line.replace("%i", "1"))
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    yield "Dockerfile", json.loads(command)
    script = (DEPLOY / "redis" / "generate-acl.sh").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\s*taskq (.*)$", script, re.MULTILINE)
    yield "generate-acl.sh", shlex.split(line.replace("$role", "worker"))
    for rule in rules():
        do = rule["annotations"]["do"]
        if do.startswith("taskq "):
            yield f"alert {rule['alert']}", shlex.split(do)[1:]


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    (found,) = documents(DEPLOY / "prometheus" / "alerts.yml")
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the Grafana dashboard."""
    return list(json.loads((DEPLOY / "grafana" / "taskq.json").read_text(encoding="utf-8"))["panels"])


def queries() -> dict[str, str]:
    """Return every query of the rules, the dashboard and the autoscalers, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    (keda,) = documents(DEPLOY / "kubernetes" / "autoscaling" / "keda.yaml")
    for number, trigger in enumerate(keda["spec"]["triggers"]):
        found[f"keda {number}"] = trigger["metadata"]["query"]
    (hpa,) = documents(DEPLOY / "kubernetes" / "autoscaling" / "hpa.yaml")
    found["hpa"] = hpa["spec"]["metrics"][0]["external"]["metric"]["name"]
    return found
