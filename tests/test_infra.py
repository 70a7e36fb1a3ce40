"""The deployment: what stands in its files is pinned, complete, and taken by the real servers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import Counter, Gauge, Histogram
from ruamel.yaml import YAML

from earmark.commands import analyst, console, observe, watch
from earmark.settings import Settings
from earmark.shown import variable_of
from realtime import metrics, vitals
from realtime.dispatch import check_livekit
from scripts.tools import TOOLS, find_tool
from tests.servers.ports import free_port
from tests.servers.s3 import S3Server

INFRA = Path(__file__).parents[1] / "infra"
YAML_FILES = sorted(INFRA.glob("*.yaml"))
COMPOSE = (INFRA / "compose.yaml").read_text(encoding="utf-8")
# Services that run once and end, so nobody asks how they are.
RUN_ONCE = {
    "bucket": "makes the bucket and ends",
    "migrate": "brings the schema up to date and ends",
    "audit": "audits and ends",
}
OURS = {"bucket", "migrate", "observe", "watch", "analyst", "webhooks", "console", "audit"}
COMMANDS = {
    "observe": observe.command,
    "watch": watch.command,
    "analyst": analyst.command,
    "console": console.command,
}
SECRET = re.compile(r"SECRET|PASSWORD|KEY")


def loaded(path: Path) -> Any:
    """The content of a YAML file; repeated keys are refused."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


SERVICES: Mapping[str, Any] = loaded(INFRA / "compose.yaml")["services"]


def environment_of(service: str) -> Mapping[str, str | None]:
    """The variables of a service."""
    variables: Mapping[str, str | None] = SERVICES[service].get("environment", {})
    return variables


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_yaml_loads(path: Path) -> None:
    """Each file is YAML and a mapping."""
    assert isinstance(loaded(path), Mapping)


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_pinned(name: str) -> None:
    """Each image has a version of its own; none moves by itself, and none comes from elsewhere."""
    image = SERVICES[name]["image"]
    repository, _, tag = image.partition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-alpine)?", tag), image
    assert "." not in repository.split("/")[0], "an address of a registry is for each site to say"


def test_versions_agree() -> None:
    """The servers of the deployment are those that the tests run."""
    assert SERVICES["livekit"]["image"].endswith(f":{TOOLS['livekit-server'].version}")
    assert SERVICES["s3"]["image"].endswith(f":{TOOLS['versitygw'].version}")


@pytest.mark.parametrize("name", SERVICES)
def test_service_tells_how_it_is(name: str) -> None:
    """Each service has a health check, unless it runs once; and what waits for it can."""
    has_check = "healthcheck" in SERVICES[name]
    assert has_check != (name in RUN_ONCE), RUN_ONCE.get(name, "needs a health check")
    for other, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in RUN_ONCE else "service_healthy"
        assert how["condition"] == expected


def test_every_variable_is_in_the_example() -> None:
    """What compose.yaml asks for stands in .env.example, and nothing else does."""
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE))
    asked |= {name for each in SERVICES for name, v in environment_of(each).items() if v is None}
    example = (INFRA / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE)) == asked


def test_no_secret_has_a_value() -> None:
    """Secrets come from outside, and the start stops where one is missing."""
    for reference in re.findall(r"\$\{\w+[^}]*\}", COMPOSE):
        assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", reference), reference
    for name in SERVICES:
        for variable, value in environment_of(name).items():
            if SECRET.search(variable) and value is not None:
                is_path = variable.endswith("_FILE") and value.startswith("/run/secrets/")
                assert is_path or "${" in value, f"{name}: {variable}"
    example = (INFRA / ".env.example").read_text(encoding="utf-8")
    given = re.findall(r"^(\w*(?:SECRET|PASSWORD)\w*)=(.+)$", example, re.MULTILINE)
    assert given == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_settings_of_our_services_exist(name: str) -> None:
    """What our services are given are settings, or belong to boto3."""
    known = {variable_of(field) for field in Settings.model_fields}
    given = {v for v in environment_of(name) if not v.startswith("AWS_")}
    assert given <= known
    assert given, "a service of ours without settings"


def test_our_services_are_confined() -> None:
    """Our containers are not root, cannot write but where they must, and can gain no rights."""
    assert {name for name, service in SERVICES.items() if "build" in service} == OURS
    for name in OURS:
        service = SERVICES[name]
        assert not service["user"].startswith(("0", "root"))
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_stores_are_inside() -> None:
    """Databases and recordings publish no port and are on no network with a way out."""
    assert loaded(INFRA / "compose.yaml")["networks"]["inside"]["internal"] is True
    for name in ("postgres", "s3", "redis", "webhooks", "audit"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_egress_holds_its_own_account() -> None:
    """The store stands where Egress looks for it, its credentials in the environment only."""
    config = loaded(INFRA / "egress.yaml")
    s3 = config["storage"]["s3"]
    assert f"s3://{s3['bucket']}" == environment_of("observe")["EARMARK_OBJECTS_URL"]
    assert s3["endpoint"] == environment_of("observe")["EARMARK_S3_ENDPOINT_URL"]
    assert not {"access_key", "secret"} & set(s3)
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(environment_of("egress"))
    assert config["redis"] == loaded(INFRA / "livekit.yaml")["redis"]
    health = SERVICES["egress"]["healthcheck"]["test"][-1]
    assert f":{config['health_port']}/" in health


def test_webhooks_reach_the_receiver() -> None:
    """LiveKit posts to the service that takes webhooks in, signed by a key that this one knows."""
    command = SERVICES["webhooks"]["command"]
    assert command[:2] == ["webhooks", "serve"]
    port = command[command.index("--port") + 1]
    assert loaded(INFRA / "livekit.yaml")["webhook"]["urls"] == [f"http://webhooks:{port}/"]
    signs = environment_of("livekit")["LIVEKIT_WEBHOOK_API_KEY"]
    assert signs == environment_of("webhooks")["LIVEKIT_API_KEY"]
    assert set(SERVICES["livekit"]["networks"]) & set(SERVICES["webhooks"]["networks"])


def test_analyst_can_ask_the_observer() -> None:
    """The analyst has the observer's secret, can be sent by it, and has a way to a model."""
    observer, analyst = environment_of("observe"), environment_of("analyst")
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "EARMARK_SIGNING_SECRET", "EARMARK_SUPERVISORS"):
        assert analyst[name] == observer[name]
    assert "EARMARK_RECORDS_AGENT" in observer
    llm = {variable_of(field) for field in Settings.model_fields if field.startswith("analyst_llm")}
    assert llm - set(analyst) == {"EARMARK_ANALYST_LLM_TIMEOUT_S"}
    assert "outside" in SERVICES["analyst"]["networks"]


def test_console_is_for_a_proxy() -> None:
    """It is reached on loopback only, has what OIDC needs, and the key that signs the trail."""
    console_service = SERVICES["console"]
    (port,) = console_service["ports"]
    assert port.startswith("127.0.0.1:")
    given = set(environment_of("console"))
    for name in ("URL", "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ROLES"):
        assert f"EARMARK_CONSOLE_{name}" in given
    (secret,) = console_service["secrets"]
    assert environment_of("console")["EARMARK_TRAIL_KEY_FILE"] == f"/run/secrets/{secret['target']}"
    assert "outside" in console_service["networks"]
    for name in ("observe", "audit", "console"):
        assert "EARMARK_RULES" in environment_of(name), "published rules are for all of them"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_page_is_asked_where_it_is(name: str) -> None:
    """The health check asks the port on which the command answers without being told one."""
    (command, *options) = SERVICES[name]["command"]
    (port,) = (each.default for each in COMMANDS[command].params if each.name == "port")
    assert "--port" not in options
    assert f"127.0.0.1:{port}/" in SERVICES[name]["healthcheck"]["test"][-1]


def test_image() -> None:
    """The image is pinned, locked, has the models, and runs as nobody special."""
    text = (INFRA / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert set(bases) == {"${PYTHON_IMAGE}"}
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", text, re.MULTILINE)
    assert re.search(r"uv==\d", text)
    assert "--constraint requirements.lock" in text
    assert "[console,models,scale,similarity]" in text
    assert "earmark models pull" in text
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == [SERVICES["observe"]["user"]]
    assert "latest" not in text
    assert "torch" not in text.split("\n", 1)[1]


@pytest.fixture
def prometheus_folder(tmp_path: Path) -> Path:
    """The files of Prometheus, at the paths of a test."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; Debian's package prometheus has it")
    text = (INFRA / "prometheus.yaml").read_text(encoding="utf-8")
    for name in ("prometheus.yaml", "alerts.yaml"):
        assert f"./{name}:/etc/prometheus/{name}:ro" in SERVICES["prometheus"]["volumes"]
    (tmp_path / "prometheus.yaml").write_text(text.replace("/etc/prometheus", str(tmp_path)))
    shutil.copy(INFRA / "alerts.yaml", tmp_path)
    return tmp_path


def promtool(*arguments: str, folder: Path) -> None:
    """Run promtool; what it finds is the failure."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration(prometheus_folder: Path) -> None:
    """Prometheus' own checker takes what it is to ask and the alerts."""
    promtool("check", "config", "prometheus.yaml", folder=prometheus_folder)
    promtool("check", "rules", "alerts.yaml", folder=prometheus_folder)


# Series of a test of alerts, and the alerts that fire after twenty minutes of them.
QUIET = {
    'up{job="observe"}': "1x80",
    'up{job="watch"}': "1x80",
    'earmark_rooms_observed{source="livekit"}': "3x80",
    "earmark_worker_rooms_max": "20x80",
    "earmark_database_up": "1x80",
    "earmark_outbox_open": "2x80",
    "earmark_outbox_dead": "5x80",
    "earmark_heartbeat_age_seconds": "4x80",
    'earmark_watch_rooms_unobserved{state="any"}': "0x80",
    "earmark_audit_nights_missing": "0x80",
}


@pytest.mark.parametrize(
    ("changed", "alerts"),
    [
        pytest.param({}, set(), id="all-is-well"),
        pytest.param(
            {'earmark_watch_rooms_unobserved{state="any"}': "2x80"},
            {"EarmarkRoomUnobserved"}, id="unobserved",
        ),
        pytest.param({'up{job="observe"}': "0x80"}, {"EarmarkNoWorker"}, id="no-worker"),
        pytest.param({'up{job="watch"}': "0x80"}, {"EarmarkNotWatching"}, id="no-watcher"),
        pytest.param(
            {'earmark_rooms_observed{source="livekit"}': "19x80"}, {"EarmarkWorkersFull"}, id="full"
        ),
        pytest.param(
            {'earmark_speech_dropped_total{pass="final",reason="overload"}': "0+1x80"},
            {"EarmarkSpeechDropped"}, id="overload",
        ),
        pytest.param(
            {'earmark_speech_dropped_total{pass="interim",reason="overtaken"}': "0+1x80"},
            set(), id="guesses-may-be-dropped",
        ),
        pytest.param(
            {'earmark_gaps_total{kind="deaf_track"}': "0+1x80"}, {"EarmarkTrackDeaf"}, id="deaf"
        ),
        pytest.param(
            {
                'earmark_alert_delay_seconds_bucket{severity="high",le="8.0"}': "0+1x80",
                'earmark_alert_delay_seconds_bucket{severity="high",le="13.0"}': "0+9x80",
                'earmark_alert_delay_seconds_bucket{severity="high",le="+Inf"}': "0+9x80",
            },
            {"EarmarkAlertsSlow"}, id="slow",
        ),
        pytest.param({"earmark_heartbeat_age_seconds": "90x80"}, {"EarmarkHeartbeatOld"}, id="old"),
        pytest.param({"earmark_database_up": "0x80"}, {"EarmarkDatabaseAway"}, id="database"),
        pytest.param({"earmark_outbox_open": "500x80"}, {"EarmarkDeliveriesWait"}, id="waiting"),
        pytest.param({"earmark_outbox_dead": "5+1x80"}, {"EarmarkDeliveriesDead"}, id="dead"),
        pytest.param(
            {"earmark_audit_nights_missing": "2x80"}, {"EarmarkNightMissing"}, id="night"
        ),
    ],
)  # fmt: skip
def test_alerts_fire(changed: Mapping[str, str], alerts: set[str], prometheus_folder: Path) -> None:
    """Each alert fires for what it is about, and for nothing else."""
    names = [rule["alert"] for rule in loaded(INFRA / "alerts.yaml")["groups"][0]["rules"]]
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
    test = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {"series": series, "values": values}
                    for series, values in (QUIET | dict(changed)).items()
                ],
                "promql_expr_test": [{"expr": query, "eval_time": "20m", "exp_samples": samples}],
            }
        ],
    }
    assert alerts <= set(names)
    (prometheus_folder / "test.yaml").write_text(json.dumps(test))
    promtool("test", "rules", "test.yaml", folder=prometheus_folder)


def test_alerts_ask_for_metrics_that_there_are() -> None:
    """A metric of ours that an alert names is one that we count, by the labels that it has."""
    ours = {
        metric._name
        for metric in vars(metrics).values()
        if isinstance(metric, Counter | Gauge | Histogram)
    } | set(vitals.NAMES)
    asked = set(re.findall(r"earmark_[a-z_]+", (INFRA / "alerts.yaml").read_text(encoding="utf-8")))
    assert {re.sub(r"_(total|bucket)$", "", name) for name in asked} <= ours


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server; the hard way if it takes its time."""
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def livekit_process(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """livekit-server as compose.yaml starts it, on free ports and without Redis."""
    binary = find_tool("livekit-server")
    if binary is None:
        pytest.skip("livekit-server is not installed; `make test` builds it")
    config = loaded(INFRA / "livekit.yaml")
    port = free_port()
    config["port"] = port
    config["bind_addresses"] = ["127.0.0.1"]
    config["rtc"] |= {"tcp_port": free_port(), "udp_port": free_port()}
    # The only part that another server stands behind; without it, the server stands alone.
    assert config.pop("redis") == {"address": "redis:6379"}
    path = tmp_path / "livekit.yaml"
    YAML(typ="safe").dump(config, path)
    assert SERVICES["livekit"]["command"] == ["--config", "/etc/livekit.yaml"]
    keys = environment_of("livekit")["LIVEKIT_KEYS"] or ""
    for name, value in (("API_KEY", "key"), ("API_SECRET", "secret-" * 6)):
        keys = re.sub(r"\$\{LIVEKIT_" + name + r"[^}]*\}", value, keys)
    log_path = tmp_path / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [str(binary), "--config", str(path)],
            env={
                "LIVEKIT_KEYS": keys, "LIVEKIT_WEBHOOK_API_KEY": "key",
                "NODE_IP": "127.0.0.1", "PATH": "",
            },
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=1.0)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield port, log_path
    finally:
        stop(process)


@pytest.mark.livekit
def test_livekit_takes_its_configuration(livekit_process: tuple[int, Path]) -> None:
    """The real server starts with our file and our way of giving keys, and answers."""
    port, log_path = livekit_process
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200, log_path.read_text()
    asyncio.run(check_livekit(f"ws://127.0.0.1:{port}", "key", "secret-" * 6))


@pytest.fixture
def s3_of_compose(tmp_path: Path) -> Iterator[int]:
    """Versitygw with the arguments of compose.yaml, its folders and port moved."""
    binary = find_tool("versitygw")
    if binary is None:
        pytest.skip("versitygw is not installed; `make test` builds it")
    for volume in SERVICES["s3"]["volumes"]:
        (tmp_path / volume.split(":")[1].lstrip("/")).mkdir(parents=True)
    port = free_port()
    arguments = [
        argument.replace("=:7070", f"=127.0.0.1:{port}").replace("/data/", f"{tmp_path}/data/")
        for argument in SERVICES["s3"]["command"]
    ]
    process = subprocess.Popen(
        [str(binary), *arguments],
        env={
            name: {"ROOT_ACCESS_KEY": "earmark", "ROOT_SECRET_KEY": "secret"}[name]
            for name in environment_of("s3")
        },
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=1.0).raise_for_status()
                break
            except (httpx.TransportError, httpx.HTTPStatusError):
                time.sleep(0.05)
        yield port
    finally:
        stop(process)


@pytest.mark.s3
def test_s3_and_its_bucket(s3_of_compose: int, tmp_path: Path) -> None:
    """The real S3 server takes our arguments, and the bucket is made once and found again."""
    server = S3Server(
        endpoint_url=f"http://127.0.0.1:{s3_of_compose}",
        access_key="earmark", secret_key="secret", bucket="earmark",
    )  # fmt: skip
    variables = {**os.environ, **server.environment()}
    command = [sys.executable, str(INFRA / "make_bucket.py")]
    for _ in range(2):
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    looked = subprocess.run(
        [sys.executable, "-m", "earmark", "doctor", "--json"],
        cwd=tmp_path, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in looked.stdout.splitlines()]
    objects = next(line for line in lines if line.get("edge") == "objects")
    assert objects["state"] == "ok"


@pytest.mark.s3
def test_bucket_with_wrong_credentials(s3_of_compose: int) -> None:
    """A server that refuses us ends the start with one sentence, and without the account in it."""
    server = S3Server(
        endpoint_url=f"http://127.0.0.1:{s3_of_compose}",
        access_key="earmark", secret_key="hush", bucket="earmark",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(INFRA / "make_bucket.py")],
        env={**os.environ, **server.environment()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "make_bucket: earmark cannot be made (ClientError)\n"
