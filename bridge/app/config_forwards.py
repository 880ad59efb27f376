"""What `[[forward]]` tables have to agree on, each with itself and with the readers."""

import difflib
import ipaddress
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from bridge.app.config import ForwardTable, Secret
from bridge.app.config_mistake import Mistake
from bridge.app.endpoint import ListenEndpoint, TcpEndpoint, endpoint_of
from bridge.app.forward_kinds import WEBHOOK, ForwardKind, forward_name, kind_of
from bridge.app.registry import Registry
from bridge.errors import ConfigError

_LISTEN = "must be tcp://ADDRESS:PORT, for example tcp://0.0.0.0:10001"
_CONNECT = "must be tcp://HOST:PORT"
_POST = "must be https://HOST/PATH (http:// only within the network of this box)"


def forward_mistakes(
    table: ForwardTable, own: Collection[str] | None, drivers: Registry
) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong with it).

    `own` are the locations of this box's readers, None if they are not all known.
    """
    kind: ForwardKind | None = None
    try:
        kind = kind_of(table.driver, drivers)
    except ConfigError as error:
        yield "driver", str(error)
    yield from _reach(table, posts=kind is not None and kind.posts)
    if own is not None:
        yield from _location(table, own, kind)
    for complaint in kind.check_options(table.options) if kind else ():
        yield "options", complaint


def unsigned(
    forwards: Mapping[int, ForwardTable], secrets: Mapping[str, Secret]
) -> Iterator[Mistake]:
    """Yield the mistake of posting what the receiver cannot know to be ours."""
    for position, table in forwards.items():
        name = forward_name(table)
        if table.driver == WEBHOOK and name not in secrets:
            plain = "".join(c if c.isalnum() else "_" for c in name.lower())
            text = (
                "posts are signed, so a secret is required: set "
                f"CHIP_BRIDGE_FORWARD_{plain.upper()}_SECRET or the secret file "
                f"forward_{plain}_secret"
            )
            yield Mistake(("forward", position, "driver"), text)


def _reach(table: ForwardTable, *, posts: bool) -> Iterator[tuple[str, str]]:
    if table.listen is not None and table.connect is not None:
        yield "connect", "does not go together with listen; remove one of them"
    elif posts:
        if table.listen is not None:
            yield "listen", "has no meaning with a webhook: give connect = 'https://HOST/PATH'"
        elif not _is_post_url(table.connect or ""):
            yield "connect", _POST
    elif table.listen is not None:
        if not _is_listen(table.listen):
            yield "listen", _LISTEN
    elif table.connect is None:
        yield "listen", f"is required, or connect: listen {_LISTEN}, connect {_CONNECT}"
    elif not _is_dial(table.connect):
        yield "connect", _CONNECT


def _location(
    table: ForwardTable, own: Collection[str], kind: ForwardKind | None
) -> Iterator[tuple[str, str]]:
    if table.location is None:
        if not own:
            yield "location", "there is no [[reader]] whose reads could be forwarded"
        elif len(own) > 1 and kind is not None and not kind.names_places:
            yield (
                "location",
                (
                    f"is required: {table.driver} cannot say which of the locations of this box a "
                    f"record is from; there are: {', '.join(sorted(own))}"
                ),
            )
    elif table.location not in own:
        near = difflib.get_close_matches(table.location, own, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(own))}"
        yield "location", f"{table.location!r} has no reader on this box; {known}"


def _is_listen(url: str) -> bool:
    if not url.startswith("tcp://"):
        return False
    try:
        return isinstance(endpoint_of(f"tcp-listen{url[3:]}"), ListenEndpoint)
    except ValueError:
        return False


def _is_dial(url: str) -> bool:
    try:
        return url.startswith("tcp://") and isinstance(endpoint_of(url), TcpEndpoint)
    except ValueError:
        return False


def _is_post_url(url: str) -> bool:
    try:
        found = endpoint_of(url)
    except ValueError:
        return False
    if not isinstance(found, TcpEndpoint) or not url.startswith(("https://", "http://")):
        return False
    host = urlsplit(url).hostname or ""
    return found.tls or _is_near(host)


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
