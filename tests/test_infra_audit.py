"""The nightly audit's timer and jobs: taken by systemd's and Kubernetes' own checkers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from earmark.audit_options import Shard
from earmark.commands.audit import command
from earmark.settings import Settings
from earmark.shown import variable_of

INFRA = Path(__file__).parents[1] / "infra"
SYSTEMD = INFRA / "systemd"
KUBERNETES = sorted((INFRA / "kubernetes").glob("*.yaml"))
VERSIONS = ("1.31", "1.34", "1.37")
PROGRAM = "/opt/earmark/bin/earmark"


def loaded(path: Path) -> Any:
    """The content of a YAML file; repeated keys are refused."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def options_of(arguments: list[str]) -> Mapping[str, Any]:
    """What the command understands of its arguments."""
    assert arguments[0] == "audit"
    return command.make_context("audit", arguments[1:]).params


def job_of(manifest: Any) -> Any:
    """The job's own part of a CronJob or a Job."""
    spec = manifest["spec"]
    return spec["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else spec


def start_of_unit() -> list[str]:
    """The command line of the service."""
    text = (SYSTEMD / "earmark-audit.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    return shlex.split(line)


def test_units_are_taken_by_systemd(tmp_path: Path) -> None:
    """Systemd's own checker has nothing to say about the service and its timer."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in SYSTEMD.iterdir():
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, sys.executable)
        (tmp_path / unit.name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    assert len(units) == 2
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    # It looks at the machine's other units too, and may have something to say about those.
    said = [line for line in done.stderr.splitlines() if "earmark" in line]
    assert (done.returncode, said) == (0, [])


def test_the_service_runs_the_nightly_audit() -> None:
    """What it starts is understood, nothing of it is root's, and the timer is of UTC."""
    program, *arguments = start_of_unit()
    assert program == PROGRAM
    options = options_of(arguments)
    assert (options["nightly"], options["findings_ok"]) == (True, True)
    service = (SYSTEMD / "earmark-audit.service").read_text(encoding="utf-8")
    for line in ("User=earmark", "NoNewPrivileges=yes", "ProtectSystem=strict", "KillMode=mixed",
                 "OOMPolicy=continue", "Type=oneshot"):  # fmt: skip
        assert line in service.splitlines()
    assert not re.search(r"SECRET|PASSWORD|KEY", service)
    timer = (SYSTEMD / "earmark-audit.timer").read_text(encoding="utf-8")
    assert re.search(r"^OnCalendar=.* UTC$", timer, re.MULTILINE)
    assert "Persistent=true" in timer.splitlines()


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid(path: Path, version: str) -> None:
    """Kubernetes' own schemas take each manifest, and know every key of it."""
    assert kubernetes_validate.validate(loaded(path), version, strict=True) == version


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_pods_are_confined(path: Path) -> None:
    """Not root, nothing to write but where they must, limits, and secrets by reference only."""
    pod = job_of(loaded(path))["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    known = {variable_of(field) for field in Settings.model_fields}
    for variable in container["env"]:
        assert variable["name"] in known or variable["name"].startswith("AWS_")
        is_secret = re.search(r"KEY|SECRET|DATABASE_URL", variable["name"]) is not None
        assert is_secret == ("valueFrom" in variable), variable["name"]
    # The same image as compose.yaml's, and the user that it was made for.
    compose = (INFRA / "compose.yaml").read_text(encoding="utf-8")
    assert f"image: {container['image']}\n" in compose
    assert f'user: "{pod["securityContext"]["runAsUser"]}:' in compose


def test_the_cron_job_runs_the_nightly_audit() -> None:
    """What it starts is understood; one at a time, and no try is repeated in vain."""
    manifest = loaded(INFRA / "kubernetes" / "audit-cronjob.yaml")
    assert (manifest["spec"]["concurrencyPolicy"], manifest["spec"]["timeZone"]) == (
        "Forbid",
        "Etc/UTC",
    )
    job = job_of(manifest)
    options = options_of(job["template"]["spec"]["containers"][0]["args"])
    assert (options["nightly"], options["findings_ok"], options["shard"]) == (True, True, None)
    fail = next(r for r in job["podFailurePolicy"]["rules"] if r["action"] == "FailJob")
    assert fail["onExitCodes"]["values"] == [1, 2]


def test_the_indexed_job_has_a_pod_a_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each index takes the shard of its number, and there are as many as shards."""
    job = job_of(loaded(INFRA / "kubernetes" / "audit-indexed-job.yaml"))
    assert job["completionMode"] == "Indexed"
    arguments = job["template"]["spec"]["containers"][0]["args"]
    shards = []
    for index in range(job["completions"]):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        shards.append(options_of(arguments)["shard"])
    assert shards == [Shard(index=index, n=4) for index in range(4)]
    sids = [f"RM_{n}" for n in range(200)]
    assert all(sum(shard.has(sid) for shard in shards) == 1 for sid in sids)
    assert all(sum(shard.has(sid) for sid in sids) > 25 for shard in shards)
