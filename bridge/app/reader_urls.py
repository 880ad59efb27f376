"""Which forms of URL a driver can be reached by, and what is usual for it."""

from collections.abc import Iterator

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

_HTTP = {80: "http", 8080: "http", 443: "https", 8443: "https"}


def url_mistake(url: str, driver: Driver | None) -> str | None:
    """Return what is wrong with a reader's URL, or None; `driver` None: it is not known."""
    try:
        endpoint = endpoint_of(url)
    except ValueError as error:
        return str(error)
    if driver is None:
        return None
    if not _allowed(endpoint, driver):
        return f"cannot be a {driver.title}; its driver allows: {', '.join(forms_of(driver))}"
    if isinstance(endpoint, MqttEndpoint) and not endpoint.topic and not _topic(driver):
        return "needs the topic the reader publishes to: mqtt://HOST:PORT/TOPIC"
    return None


def _allowed(endpoint: Endpoint, driver: Driver) -> bool:
    links = driver.links
    network = any(isinstance(link, TcpLink | ListenLink) for link in links)
    match endpoint:
        case TcpEndpoint():
            return network
        case ListenEndpoint(http=True):
            return any(isinstance(link, ListenLink) and link.many for link in links)
        case ListenEndpoint():
            return network
        case SerialEndpoint():
            return any(isinstance(link, SerialLink) for link in links)
        case MqttEndpoint():
            return any(isinstance(link, MqttLink) for link in links)
        case FileEndpoint():  # edges that were recorded rehearse a driver of input lines
            return any(isinstance(link, FileLink | GpioLink) for link in links)
        case GpioEndpoint():
            return any(isinstance(link, GpioLink) for link in links)


def _topic(driver: Driver) -> str:
    return next((link.topic for link in driver.links if isinstance(link, MqttLink)), "")


def forms_of(driver: Driver) -> list[str]:
    """Return the forms of URL that suit a driver, the usual one first."""
    found = [form for link in driver.links for form in _forms(link)]
    if any(isinstance(link, TcpLink) for link in driver.links):
        found.append("tcp-listen://ADDRESS:PORT")
    return list(dict.fromkeys(found))


def _forms(link: Link) -> Iterator[str]:
    match link:
        case TcpLink(port=port, tls=tls):
            if port in _HTTP:
                yield f"{_HTTP[port]}://HOST{_port(port)}/PATH"
            yield f"{'tls' if tls else 'tcp'}://HOST:{port}"
        case ListenLink(port=port, many=many):
            if many:
                yield f"http-listen://ADDRESS:{port}/PATH"
            yield f"tcp-listen://ADDRESS:{port}"
        case SerialLink(baud=baud):
            yield f"serial:///dev/serial/by-id/NAME?baud={baud}"
        case MqttLink():
            yield "mqtt://HOST:PORT/TOPIC"
            yield "mqtts://HOST:PORT/TOPIC"
        case FileLink():
            yield "file:///PATH"
        case GpioLink():
            yield "gpio://gpiochip0/LINE,LINE"
            yield "file:///PATH"


def _port(port: int) -> str:
    return "" if port in (80, 443) else f":{port}"


def usual_url(driver: Driver) -> str | None:
    """Return a URL to begin with for a reader of this kind; None: the driver names no link."""
    if not driver.links:
        return None
    link = driver.links[0]
    match link:
        case TcpLink(port=port, tls=tls):
            if port in _HTTP:
                return f"{_HTTP[port]}://10.0.0.51{_port(port)}/"
            return f"{'tls' if tls else 'tcp'}://10.0.0.51:{port}"
        case SerialLink(baud=baud):
            return f"serial:///dev/ttyUSB0?baud={baud}"
        case ListenLink(port=port, many=many):
            return f"{'http' if many else 'tcp'}-listen://0.0.0.0:{port}"
        case MqttLink(topic=topic):
            return f"mqtt://localhost:1883/{topic}"
        case FileLink():
            return "file:///var/spool/reader/reads.csv"
        case GpioLink():
            return "gpio://gpiochip0/17"
