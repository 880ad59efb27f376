"""Where readers are: every form of URL, and which of them suits which driver."""

from dataclasses import replace

import pytest

from bridge.app.endpoint import (
    Endpoint,
    FileEndpoint,
    GpioEndpoint,
    ListenEndpoint,
    MqttEndpoint,
    SerialEndpoint,
    TcpEndpoint,
    endpoint_of,
)
from bridge.app.reader_urls import forms_of, url_mistake, usual_url
from bridge.driver_api import (
    Driver,
    FileLink,
    GpioLink,
    Link,
    ListenLink,
    MqttLink,
    SerialLink,
    TcpLink,
)
from drivers.ipico import DRIVER


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("tcp://10.0.0.51:10000", TcpEndpoint("10.0.0.51", 10_000)),
        ("tcp://[fe80::1]:10000/", TcpEndpoint("fe80::1", 10_000)),
        ("tls://reader:443", TcpEndpoint("reader", 443, tls=True)),
        ("http://reader", TcpEndpoint("reader", 80, target="/")),
        ("http://reader:8080/data?x=1&y", TcpEndpoint("reader", 8080, target="/data?x=1&y")),
        ("https://reader/data/stream", TcpEndpoint("reader", 443, tls=True, target="/data/stream")),
        ("tcp-listen://10.0.0.1:3097", ListenEndpoint("10.0.0.1", 3097)),
        ("http-listen://10.0.0.1:8090", ListenEndpoint("10.0.0.1", 8090, http=True)),
        ("http-listen://10.0.0.1:8090/", ListenEndpoint("10.0.0.1", 8090, http=True)),
        ("http-listen://[::1]:8090/x", ListenEndpoint("::1", 8090, http=True, target="/x")),
        ("serial:///dev/ttyUSB0", SerialEndpoint("/dev/ttyUSB0", None)),
        ("serial:///dev/ttyUSB0?baud=9600", SerialEndpoint("/dev/ttyUSB0", 9600)),
        ("mqtt://broker", MqttEndpoint("broker", 1883, tls=False, topic="")),
        ("mqtt://broker:1884/a/+/b/#", MqttEndpoint("broker", 1884, tls=False, topic="a/+/b/#")),
        ("mqtts://broker/what%3F", MqttEndpoint("broker", 8883, tls=True, topic="what?")),
        ("file:///var/spool/reads.csv", FileEndpoint("/var/spool/reads.csv", folder=False)),
        ("file:///var/spool/reads%20#2?/", FileEndpoint("/var/spool/reads #2?", folder=True)),
        ("gpio://gpiochip0/17,27", GpioEndpoint("gpiochip0", (17, 27))),
        ("gpio://gpiochip4/5?debounce_ms=10&pull=up", GpioEndpoint("gpiochip4", (5,), 10, "up")),
    ],
)  # fmt: skip
def test_a_url_says_where(url: str, meant: Endpoint) -> None:
    assert endpoint_of(url) == meant


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://h:1", "must be tcp://"),
        ("tcp://h", "needs a host and a port"),
        ("tcp://h:0", "needs a host and a port"),
        ("tcp://h:x", "is not a URL"),
        ("tls://h:1/x", "more than a host and a port"),
        ("http://u:p@h/x", "a reader's password is a secret"),
        ("http://h/a b", "cannot be sent"),
        ("http://h/a#b", "cannot be sent"),
        ("http-listen://h/x", "needs a host and a port"),
        ("mqtt:///topic", "needs a host and a port"),
        ("mqtt://h/a#/b", "no broker takes"),
        ("mqtt://h/#/b", "no broker takes"),
        ("mqtt://h/a+", "no broker takes"),
        ("file://reads.csv", "three slashes"),
        ("file:///", "three slashes"),
        ("gpio://gpiochip0", "in figures"),
        ("gpio://gpiochip0/x", "in figures"),
        ("gpio:///17", "needs a chip"),
        ("gpio://gpiochip0/1,1", "a line twice"),
        ("gpio://gpiochip0/1?debounce_ms=-1", "in figures"),
        ("gpio://gpiochip0/1?pull=sideways", "as-is, up, down, off"),
        ("gpio://gpiochip0/1?x=1", "unknown setting 'x'"),
        ("serial:///dev/ttyUSB0?baud=1", "baud rate in figures"),
    ],
)
def test_a_wrong_url_says_what_is_right(url: str, words: str) -> None:
    mistake = url_mistake(url, None)
    assert mistake is not None
    assert words in mistake


def driver(*links: Link) -> Driver:
    return replace(DRIVER, title="Acme", links=links)


TCP = driver(TcpLink(10_000))
POSTS = driver(ListenLink(8090, many=True), MqttLink(""))
FILES = driver(FileLink())
LINES = driver(GpioLink())
PORTS = driver(SerialLink(9600))


@pytest.mark.parametrize(
    ("url", "allowed", "refused"),
    [
        ("tcp://h:1", [TCP, POSTS], [FILES, LINES, PORTS]),
        ("tls://h:1", [TCP, POSTS], [FILES, LINES, PORTS]),
        ("tcp-listen://h:1", [TCP, POSTS], [FILES, LINES, PORTS]),
        ("http-listen://h:1", [POSTS], [TCP, FILES, LINES, PORTS]),
        ("serial:///dev/x", [PORTS], [TCP, POSTS, FILES, LINES]),
        ("mqtt://h/x", [POSTS], [TCP, FILES, LINES, PORTS]),
        ("file:///x", [FILES, LINES], [TCP, POSTS, PORTS]),
        ("gpio://gpiochip0/1", [LINES], [TCP, POSTS, FILES, PORTS]),
    ],
)
def test_each_driver_has_its_forms(url: str, allowed: list[Driver], refused: list[Driver]) -> None:
    assert [url_mistake(url, one) for one in allowed] == [None] * len(allowed)
    for one in refused:
        mistake = url_mistake(url, one)
        assert mistake is not None
        assert mistake.startswith("cannot be a Acme; its driver allows: ")
        assert all(form in mistake for form in forms_of(one))


def test_a_topic_is_needed_where_the_driver_has_none() -> None:
    assert "needs the topic" in str(url_mistake("mqtt://h", POSTS))
    assert url_mistake("mqtt://h", driver(MqttLink("impinj/#"))) is None


@pytest.mark.parametrize(
    "links",
    [
        [TcpLink(10_000)],
        [TcpLink(5085, tls=True)],
        [TcpLink(443, tls=True)],
        [TcpLink(8080)],
        [ListenLink(3097)],
        [ListenLink(8090, many=True)],
        [SerialLink(9600)],
        [MqttLink("a/b")],
        [FileLink()],
        [GpioLink()],
    ],
)
def test_the_usual_url_is_an_allowed_one(links: list[Link]) -> None:
    usual = usual_url(driver(*links))
    assert usual is not None
    assert url_mistake(usual, driver(*links)) is None
    form = usual.partition("://")[0]
    assert any(allowed.startswith(f"{form}://") for allowed in forms_of(driver(*links)))


def test_without_links_there_is_no_usual_url() -> None:
    assert usual_url(driver()) is None
