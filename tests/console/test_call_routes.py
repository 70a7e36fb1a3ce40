"""Routes of a call: what they show, to whom, and that it is in the trail."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.access import Role
from console.app import create_app
from console.call_sound import sound_id
from console.state import Console
from rules.masking import MASK
from rules.types import Span
from storage.objects import open_objects
from storage.recordings import recordings_of
from storage.trail_tables import TRAIL
from storage.unmaskings import GRANT_TIME
from storage.verdicts import Verdict, VerdictDecision, VerdictSubject, add_verdict
from tests.console.conftest import s3_access, signed_in_token  # noqa: F401 - fixture
from tests.console.rich_calls import MARKUP, demo_sounds
from tests.console.rich_fixtures import (  # noqa: F401 - fixtures
    copy_objects,
    copy_rows,
    rich,
    rich_template,
)
from tests.servers.s3 import S3Server

SIGNED_IN = Callable[..., TestClient]
CARD = "four, five, three, nine"
REASON = "Checking a complaint, ticket 4711"


def trail_rows(console: Console) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Action, call and detail of each entry."""
    with console.database.begin(read_only=True) as connection:
        rows = connection.execute(select(TRAIL).order_by(TRAIL.c.seq)).mappings()
        return [(row["action"], row["room_sid"], json.loads(row["detail"])) for row in rows]


def sound_of(console: Console, room_sid: str, identity: str = "customer") -> str:
    with console.database.begin(read_only=True) as connection:
        found = recordings_of(connection, room_sid)
    return sound_id(next(each.object_key for each in found if each.identity == identity))


def unmask(client: TestClient, room_sid: str, **fields: str) -> httpx.Response:
    data = {"reason": REASON, "text": "true", "audio": "true"} | fields
    return client.post(f"/calls/{room_sid}/unmask", data=data)


def test_the_page_shows_masked_text_and_notes_it(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """A reviewer sees the call masked, and the view is in the trail with counts and no words."""
    answer = signed_in(Role.REVIEWER).get("/calls/RM_audited")
    assert answer.status_code == 200
    assert "guaranteed returns" in answer.text
    assert MASK in answer.text
    assert CARD not in answer.text
    assert trail_rows(rich) == [("view", "RM_audited", {"masked": True, "lines": 8, "flags": 6})]


@pytest.mark.parametrize(
    ("room_sid", "words"),
    [
        pytest.param("RM_live", "Not audited yet", id="live-only"),
        pytest.param("RM_nocopies", "Sound is closed", id="no-copies"),
        pytest.param("RM_deleted", "was deleted on 2026-03-02", id="deleted-recording"),
        pytest.param("RM_clean", "You hear masked sound", id="clean"),
    ],
)
def test_each_kind_of_call_says_what_it_is(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
    room_sid: str,
    words: str,
) -> None:
    """What was not checked, and what cannot be heard, is said in words."""
    assert words in signed_in(Role.REVIEWER).get(f"/calls/{room_sid}").text


def test_why_it_fired_stands_on_the_page(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """Description, condition and the rule as it is written; live and audit side by side."""
    text = signed_in(Role.REVIEWER).get("/calls/RM_audited").text
    assert "pii CREDIT_CARD with a score of 0.5 or more" in text
    assert "id: pii.card-number" in text
    assert "Nothing was raised live." in text
    assert "The audit does not find it." in text


def test_unmasking_needs_permission_and_a_reason(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """A reviewer may not, a lead must say why, and what was refused lays nothing open."""
    assert unmask(signed_in(Role.REVIEWER), "RM_audited").status_code == 403
    lead = signed_in(Role.LEAD)
    for fields in (
        {"reason": "short"},
        {"reason": "   a       b   "},
        {"reason": "x" * 201},
        {"reason": "a reason with \0 in it"},
        {"text": "", "audio": ""},
    ):
        assert unmask(lead, "RM_audited", **fields).status_code == 400
    assert CARD not in lead.get("/calls/RM_audited").text
    assert [action for action, _, _ in trail_rows(rich)] == ["view"]


def test_unmasked_text(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """Text in the clear for this session, of this call; noted apart from the view."""
    lead = signed_in(Role.LEAD)
    assert unmask(lead, "RM_audited", audio="").status_code == 303
    page = lead.get("/calls/RM_audited").text
    assert CARD in page
    assert "in the clear" in page
    assert CARD not in signed_in(Role.LEAD, name="other").get("/calls/RM_audited").text
    assert CARD not in signed_in(Role.LEAD).get("/calls/RM_audited").text  # another session
    actions = [
        (action, detail.get("masked"), detail.get("reason"))
        for action, _, detail in trail_rows(rich)
    ]
    assert actions == [
        ("unmask_text", None, REASON),
        ("view", False, None),
        ("view", True, None),
        ("view", True, None),
    ]


def test_unmasking_ends(
    rich: Console,  # noqa: F811
    app: Any,
    signed_in: SIGNED_IN,
) -> None:
    """After a quarter of an hour, or when the person covers the call, it is masked again."""
    lead = signed_in(Role.LEAD)
    unmask(lead, "RM_audited")
    assert lead.post("/calls/RM_audited/cover").status_code == 303
    assert CARD not in lead.get("/calls/RM_audited").text
    unmask(lead, "RM_audited")
    assert CARD in lead.get("/calls/RM_audited").text
    later = rich.now() + GRANT_TIME + timedelta(seconds=1)
    app.state.console = Console(
        database=rich.database, objects=rich.objects, options=rich.options, now=lambda: later
    )
    assert CARD not in lead.get("/calls/RM_audited").text
    sound = sound_of(rich, "RM_audited")
    assert lead.get(f"/calls/RM_audited/sound/{sound}/clear").status_code == 403


def test_words_that_are_kept_nowhere_are_said_to_be(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """Where transcripts are not kept, unmasking text says so and shows the masked one."""
    lead = signed_in(Role.LEAD)
    unmask(lead, "RM_nocopies")
    page = lead.get("/calls/RM_nocopies").text
    assert "The words in the clear are kept nowhere" in page
    assert CARD not in page


def test_masked_sound_is_the_copy(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """What is played masked is the redacted copy, byte for byte; seconds are in the trail."""
    client = signed_in(Role.REVIEWER)
    answer = client.get(f"/calls/RM_audited/sound/{sound_of(rich, 'RM_audited')}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/ogg"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "no-store"
    copy = rich.objects.get_bytes("redacted/2026-03-01/RM_audited/TR_2.ogg")
    assert answer.content == copy
    ((action, room_sid, detail),) = trail_rows(rich)
    assert (action, room_sid) == ("play", "RM_audited")
    assert detail == {
        "masked": True, "start_bytes": 0, "end_bytes": len(copy), "start_s": 0.0, "end_s": 52.0,
    }  # fmt: skip


def test_ranges_of_sound(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """206 with exactly those bytes, 416 for what is not there or several, whole if it changed."""
    client = signed_in(Role.REVIEWER)
    path = f"/calls/RM_audited/sound/{sound_of(rich, 'RM_audited')}"
    copy = rich.objects.get_bytes("redacted/2026-03-01/RM_audited/TR_2.ogg")
    part = client.get(path, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, copy[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(copy)}"
    tail = client.get(path, headers={"range": "bytes=-50", "if-range": part.headers["etag"]})
    assert (tail.status_code, tail.content) == (206, copy[-50:])
    assert client.get(path, headers={"range": "bytes=0-1", "if-range": '"x"'}).content == copy
    for header in (f"bytes={len(copy)}-", "bytes=0-1,5-9"):
        refused = client.get(path, headers={"range": header})
        assert (refused.status_code, refused.content) == (416, b"")
        assert refused.headers["content-range"] == f"bytes */{len(copy)}"
    ranges = [(d["start_bytes"], d["end_bytes"]) for _, _, d in trail_rows(rich)]
    assert ranges == [(100, 200), (len(copy) - 50, len(copy)), (0, len(copy))]


def test_sound_that_needs_no_copy(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """A call in which nothing is covered is heard as it was recorded, if it is that recording."""
    client = signed_in(Role.REVIEWER)
    path = f"/calls/RM_clean/sound/{sound_of(rich, 'RM_clean')}"
    assert client.get(path).content == demo_sounds()["customer"]
    rich.objects.put_bytes(
        "recordings/2026-03-01/RM_clean/TR_2.ogg", b"something else", content_type="audio/ogg"
    )
    answer = client.get(path)
    assert answer.status_code == 403
    assert "not the recording that the audit heard" in answer.text


@pytest.mark.parametrize("room_sid", ["RM_live", "RM_nocopies"])
def test_closed_sound(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
    room_sid: str,
) -> None:
    """What nobody checked is heard unmasked only, for a reason."""
    path = f"/calls/{room_sid}/sound/{sound_of(rich, room_sid)}"
    reviewer, lead = signed_in(Role.REVIEWER), signed_in(Role.LEAD)
    assert reviewer.get(path).status_code == 403
    assert reviewer.get(f"{path}/clear").status_code == 403
    assert lead.get(f"{path}/clear").status_code == 403
    unmask(lead, room_sid, text="")
    assert lead.get(f"{path}/clear").content == demo_sounds()["customer"]
    assert lead.get(path).status_code == 403
    actions = [action for action, _, _ in trail_rows(rich)]
    assert actions == ["unmask_audio", "play"]


def test_unmasked_text_opens_no_sound(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """Text and sound are asked for apart."""
    lead = signed_in(Role.LEAD)
    unmask(lead, "RM_audited", audio="")
    sound = sound_of(rich, "RM_audited")
    assert lead.get(f"/calls/RM_audited/sound/{sound}/clear").status_code == 403


def test_downloads(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """To take sound along needs the permission to export, and is noted as that."""
    path = f"/calls/RM_audited/sound/{sound_of(rich, 'RM_audited')}"
    assert signed_in(Role.REVIEWER).get(f"{path}/download").status_code == 403
    auditor, lead = signed_in(Role.AUDITOR), signed_in(Role.LEAD)
    answer = auditor.get(f"{path}/download")
    assert answer.headers["content-disposition"].startswith('attachment; filename="RM_audited-')
    assert auditor.get(f"{path}/clear/download").status_code == 403
    assert lead.get(f"{path}/clear/download").status_code == 403
    unmask(lead, "RM_audited", text="")
    assert lead.get(f"{path}/clear/download").content == demo_sounds()["customer"]
    found = [(action, detail.get("masked")) for action, _, detail in trail_rows(rich)]
    assert found == [("download", True), ("unmask_audio", None), ("download", False)]


def test_sound_of_another_call(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """An id of one call's sound means nothing in another, unmasked neither."""
    lead = signed_in(Role.LEAD)
    unmask(lead, "RM_clean")
    other = sound_of(rich, "RM_audited")
    for tail in ("", "/clear", "/download", "/clear/download"):
        assert lead.get(f"/calls/RM_clean/sound/{other}{tail}").status_code == 404
    # A grant for one call opens no other.
    assert lead.get(f"/calls/RM_audited/sound/{other}/clear").status_code == 403


@pytest.mark.parametrize(
    "room_sid",
    [
        pytest.param("RM_none", id="unknown"),
        pytest.param("..%2f..%2fetc%2fpasswd", id="climbing"),
        pytest.param("%2e%2e", id="dots"),
        pytest.param("RM_audited%00", id="nul"),
        pytest.param("RM_%ed%a0%80", id="half-a-character"),
        pytest.param("RM_audited%2f..%2fRM_clean", id="beside"),
        pytest.param("x" * 2000, id="long"),
        pytest.param("%3Cscript%3E", id="markup"),
    ],
)
def test_addresses_that_are_none(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
    room_sid: str,
) -> None:
    """What is no call is not found, whatever its name tries; nothing of it is echoed."""
    client = signed_in(Role.LEAD)
    for tail in ("", "/lanes/0", "/sound/0", "/sound/0/clear"):
        answer = client.get(f"/calls/{room_sid}{tail}")
        assert answer.status_code in {400, 404}
        assert "<script>" not in answer.text
    assert trail_rows(rich) == []


@pytest.mark.parametrize("number", ["-1", "2", "99999999999999999999", "x"])
def test_lanes_that_are_none(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
    number: str,
) -> None:
    """A lane that the call has not is not found."""
    answer = signed_in(Role.REVIEWER).get(f"/calls/RM_audited/lanes/{number}")
    assert answer.status_code in {400, 404}


@pytest.mark.parametrize("room_sid", ["RM_audited", "RM_live", "RM_deleted"])
def test_outlines(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
    room_sid: str,
) -> None:
    """Each lane has levels on the call's clock, from the report or from the recording."""
    client = signed_in(Role.REVIEWER)
    lane = 0 if room_sid == "RM_deleted" else 1
    answer = client.get(f"/calls/{room_sid}/lanes/{lane}").json()
    levels = base64.b64decode(answer["levels"])
    assert answer["notes"] == []
    assert len(levels) == 1040  # 52 s in steps of 50 ms
    # The customer is silent at the beginning, and reads out a number in the middle.
    assert max(levels[:60]) < 20 < max(levels[650:800])


def test_a_damaged_recording_has_a_note(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """A lane that cannot be drawn says why."""
    key = "recordings/2026-03-01/RM_live/TR_2.ogg"
    rich.objects.put_bytes(key, b"no sound at all", content_type="audio/ogg")
    answer = signed_in(Role.REVIEWER).get("/calls/RM_live/lanes/1").json()
    assert answer == {
        "levels": "",
        "notes": ["The recording is damaged: nothing in it can be read."],
    }
    whole = demo_sounds()["customer"]
    rich.objects.put_bytes(key, whole[: len(whole) // 2], content_type="audio/ogg")
    answer = signed_in(Role.REVIEWER).get("/calls/RM_live/lanes/1").json()
    assert answer["levels"]
    assert answer["notes"] == [
        "The recording is damaged (cut off): what can be read of it is shown."
    ]


def verdict(reviewer: str, note: str, **changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "id": f"v-{reviewer}", "room_sid": "RM_live", "subject": VerdictSubject.HIT,
        "subject_id": "L1", "rule_id": "pii.card-number", "rule_version": 1,
        "speaker": "customer", "span": Span(32.0, 40.0), "decision": VerdictDecision.ESCALATED,
        "reviewer": reviewer, "decided_at": changes.pop("at"), "note": note,
    }  # fmt: skip
    return Verdict(**(values | changes))


def test_only_ones_own_verdict_is_shown(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """A second reviewer judges by themselves; what settled a dispute is shown to all."""
    with rich.database.begin() as connection:
        add_verdict(connection, verdict("link:ana", f"mine {MARKUP}", at=rich.now()))
        add_verdict(connection, verdict("link:bo", "not for ana", at=rich.now()))
    page = signed_in(Role.REVIEWER, name="ana").get("/calls/RM_live").text
    assert "mine &lt;script&gt;" in page
    assert "not for ana" not in page
    assert "Settled" not in page
    with rich.database.begin() as connection:
        final = verdict(
            "link:cy", "", at=rich.now(), is_final=True, decision=VerdictDecision.CONFIRMED
        )
        add_verdict(connection, final)
    assert (
        "Settled: <strong>confirmed"
        in signed_in(Role.REVIEWER, name="ana").get("/calls/RM_live").text
    )


def test_markup_stays_text(rich: Console, signed_in: SIGNED_IN) -> None:  # noqa: F811
    """Names, words, titles and excerpts of strangers come out escaped, wherever they stand."""
    page = signed_in(Role.LEAD).get("/calls/RM_hostile").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "{{•*•}}" in page  # a template's braces are text, too


def test_the_page_holds_no_script_or_style_of_its_own(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """Everything that runs is a file; the policy would refuse anything else."""
    page = signed_in(Role.LEAD).get("/calls/RM_audited").text
    for tag in page.split("<script")[1:]:
        assert tag.lstrip().startswith("src=")
    assert " style=" not in page
    assert " onclick" not in page
    assert "<style" not in page


def test_no_object_key_and_no_identity_stands_in_the_page(
    rich: Console,  # noqa: F811
    signed_in: SIGNED_IN,
) -> None:
    """Addresses and page name sounds by ids that mean nothing elsewhere."""
    page = signed_in(Role.LEAD).get("/calls/RM_audited").text
    assert "recordings/2026" not in page
    assert "redacted/" not in page


@pytest.mark.s3
def test_sound_streams_from_s3(
    console: Console,
    rich_template: Path,  # noqa: F811
    s3_access: S3Server,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Page, outline and ranges of sound are the same out of a bucket."""
    objects = open_objects(
        f"{s3_access.url}/{tmp_path.name}", s3_endpoint_url=s3_access.endpoint_url
    )
    copy_rows(rich_template, console.database)
    copy_objects(rich_template, objects, "RM_clean")
    there = Console(database=console.database, objects=objects, options=console.options)
    with TestClient(create_app(there), base_url=console.options.url) as client:
        client.cookies.set(console.options.cookie, signed_in_token(there, Role.REVIEWER))
        assert client.get("/calls/RM_clean").status_code == 200
        path = f"/calls/RM_clean/sound/{sound_of(there, 'RM_clean')}"
        whole = demo_sounds()["customer"]
        assert client.get(path).content == whole
        part = client.get(path, headers={"range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, whole[1000:2000])
        again = {"range": "bytes=-9", "if-range": part.headers["etag"]}
        assert client.get(path, headers=again).content == whole[-9:]
        assert client.get(path, headers={"range": "bytes=0-0,2-3"}).status_code == 416
