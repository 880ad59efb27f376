"""What every driver that is posted to does alike: who may, what is answered, what is kept."""

import pytest

from bridge.domain.reads import NS_PER_S, Read
from bridge.driver_api import (
    Control,
    Driver,
    Event,
    Kept,
    Opening,
    Reason,
    Rejected,
    Send,
    Sighting,
)
from drivers import impinj_iot, race_result_http, race_result_trackbox, zebra_iot
from drivers.http_push import Gate, query_of
from drivers.http_wire import Head, basic, request, response

DRIVERS = [
    module.DRIVER for module in (impinj_iot, zebra_iot, race_result_http, race_result_trackbox)
]
posted = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
SECRET = "s3cret"  # noqa: S105 - of this test only
NOW = 1_780_000_000 * NS_PER_S


def body_of(driver: Driver) -> bytes:
    """What one post holds."""
    encoded = driver.encode(Sighting(chip=driver.example_chip(1), stamp=NOW))
    return encoded.partition(b"\r\n\r\n")[2] if encoded.startswith(b"POST") else encoded


def statuses(events: list[Event]) -> list[int]:
    return [int(event.data.split()[1]) for event in events if isinstance(event, Send)]


def wire_of(events: list[Event]) -> bytes:
    return b"".join(event.raw for event in events if isinstance(event, Kept))


@posted
def test_an_answer_stands_behind_the_reads_and_is_given_only_by_who_was_opened(
    driver: Driver,
) -> None:
    post = request("POST", "/trackping?boxTime=260528T202640Z", "h", {}, body_of(driver))
    for opened in (True, False):
        session = driver.session(Opening(link="tcp-listen"))
        if opened:
            assert session.opened(NOW) == []
        events = session.feed(post + post)
        kinds = [type(event) for event in events if isinstance(event, Read | Send)]
        assert kinds == ([Read, Send] * 2 if opened else [Read] * 2)
        assert wire_of(events) == post + post


@posted
@pytest.mark.parametrize(
    ("fields", "target", "status"),
    [
        ({"Authorization": basic("u", SECRET)}, "/gate?x=1", 200),
        ({"authorization": basic("u", SECRET)}, "/gate", 200),
        ({"Authorization": basic("u", "other")}, "/gate", 401),
        ({}, "/gate", 401),
        ({"Authorization": basic("u", SECRET)}, "/gates", 404),
        ({"Authorization": basic("u", SECRET)}, "/", 404),
    ],
)
def test_who_may_post(driver: Driver, fields: dict[str, str], target: str, status: int) -> None:
    # For uploads of decoders the option is what the query must name: another test's business.
    options = {"user": "u"} if driver.name.endswith("iot") else {}
    user = {"race-result-http": "race-result", "race-result-trackbox": "trackbox"}
    login = fields.get("Authorization") or fields.get("authorization")
    if driver.name in user and login in (basic("u", SECRET), basic("u", "other")):
        right = login == basic("u", SECRET)
        fields = {"Authorization": basic(user[driver.name], SECRET if right else "other")}
    opening = Opening(link="tcp-listen", target="/gate", password=SECRET, options=options)
    session = driver.session(opening)
    session.opened(NOW)
    post = request("POST", target, "h", fields, body_of(driver))
    events = session.feed(post)
    assert statuses(events) == [status]
    assert sum(isinstance(event, Read) for event in events) == (status == 200)
    kept = wire_of(events)
    assert len(kept) == len(post)
    assert SECRET.encode() not in kept
    for value in fields.values():
        assert value.encode() not in kept
    if status != 200:
        [refused] = [event for event in events if isinstance(event, Rejected)]
        assert refused.reason is Reason.UNKNOWN
    # The next request is judged by itself.
    good = {"Authorization": basic(user.get(driver.name, "u"), SECRET)}
    assert statuses(session.feed(request("POST", "/gate", "h", good, body_of(driver)))) == [200]


@posted
def test_what_is_no_post(driver: Driver) -> None:
    session = driver.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    [answer] = session.feed(response(200))
    assert isinstance(answer, Control)
    assert answer.note == "http answer"
    broken = b"POST / HTTP/1.1\r\nno field of a head\r\n"
    [first, *_] = session.feed(broken)
    assert isinstance(first, Rejected)
    assert first.raw == b"POST / HTTP/1.1\r\n"
    [other] = session.feed(b"abc", "side")
    assert isinstance(other, Rejected)
    assert other.raw == b"abc"
    session.feed(b"\n")
    noise = b"x" * 60_000
    events = session.feed(noise)
    assert {event.reason for event in events if isinstance(event, Rejected)} == {Reason.OVERLONG}
    assert wire_of(events) + session.pending == noise
    assert session.closed("side", refused=True) == []


@posted
def test_a_method_that_posts_nothing_is_refused(driver: Driver) -> None:
    session = driver.session(Opening(link="tcp-listen"))
    session.opened(NOW)
    assert statuses(session.feed(request("DELETE", "/", "h"))) == [405]
    assert statuses(session.feed(request("GET", "/trackping?v=2", "h"))) == [200]


def test_queries() -> None:
    assert query_of("/a?x=1&y=%41&x=2&z") == {"x": "2", "y": "A", "z": ""}
    assert query_of("/a") == {}
    gate = Gate("", None, {"auth": "7"})
    assert gate.refusal(Head(method="POST", target="/?auth=7")) == 0
    assert gate.refusal(Head(method="POST", target="/?auth=8")) == 403
