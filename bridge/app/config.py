"""The shape of `bridge.toml`: every table and key, its default and what is allowed.

Frozen dataclasses whose annotations say what is allowed; pydantic judges by them, in
`bridge.adapters.config_files`, and need not be in the service's memory afterwards. Unknown keys are
errors in each table. What several keys must agree on is `bridge.app.config_checks`; reading files,
environment and secrets is `bridge.adapters.config_files`, turning mistakes into sentences
`bridge.adapters.config_mistakes`; turning the result into the small frozen parts that components
take is `bridge.app.rulebook` and `bridge.bootstrap`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that matches as a whole."""

    regex: str

    def __get_pydantic_core_schema__(
        self,
        source: object,
        handler: Callable[[object], dict[str, Any]],
    ) -> dict[str, Any]:
        return {**handler(source), "pattern": self.regex}


@dataclass(frozen=True, slots=True)
class DateAndTime:
    """No bare date and no number of seconds, which pydantic would take for an instant."""

    def __get_pydantic_core_schema__(
        self,
        source: object,
        handler: Callable[[object], dict[str, Any]],
    ) -> dict[str, Any]:
        judge = {"type": "no-info", "function": _date_and_time}
        return {"type": "function-before", "function": judge, "schema": handler(source)}


def _date_and_time(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and len(value) > len("2026-11-21")):
        return value
    raise ValueError("must be a date and a time, for example 2026-11-21T08:30:00")


Name = Annotated[str, Pattern(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A site, reader or location: part of MQTT topics and file names."""
Text = Annotated[str, MinLen(1), MaxLen(200)]
Source = Annotated[str, MinLen(1), MaxLen(64), Pattern(r"^[^\x00-\x1f\x7f]+$")]
"""A place as a reader names it on the wire."""
Seconds = Annotated[float, Ge(0), Le(86_400 * 30)]


Gun = Annotated[datetime, DateAndTime()]
"""T0: local time of the race's zone, or with an offset of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What all tables have."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {
        "extra": "forbid",
        "str_strip_whitespace": True,
        "allow_inf_nan": False,
    }
    given: frozenset[str] = field(default=frozenset(), init=False, compare=False, repr=False)
    """The keys that were written, the others having their defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeTable(Table):
    """`[bridge]`."""

    site: Name
    data_dir: Path = Path("/var/lib/chip-bridge")
    secrets_dir: Path | None = None
    timezone: str | None = None
    commit_linger_ms: Annotated[float, Ge(0), Le(1000)] = 20
    """Time a commit waits for company: 0 on SSD, 20-50 on SD cards."""
    keep_days: Annotated[int, Ge(1)] = 400
    """Journals of other races are kept this long; the current race's for ever."""
    min_free_mb: Annotated[int, Ge(10)] = 200
    """Below this much free space an alarm is raised and old races make room."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTable(Table):
    """`[provider]`."""

    kind: Literal["runsignup", "raceentry", "file"]
    race_id: Annotated[int, Ge(1)] | None = None
    base_url: str | None = None
    auth: Literal["api_key", "api_v2", "super_partner", "login", "oauth2"] = "api_v2"
    participants_every_s: Annotated[float, Ge(5), Le(86_400)] = 30
    post: bool = True
    participants_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTable(Table):
    """One entry of `course`."""

    location: Name
    split: Text | None = None
    distance_m: Annotated[float, Ge(0)] | None = None
    min_time_s: Seconds | None = None
    max_time_s: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveTable(Table):
    """`[[event.wave]]`."""

    name: Text
    gun: Gun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable(Table):
    """`[[event]]`."""

    id: Annotated[int, Ge(1)]
    name: Text
    gun: Gun | None = None
    result_set: Text | int = "Live Results"
    place_by: Literal["clock", "chip"] = "clock"
    share_places: bool = True
    decimals: Annotated[int, Ge(0), Le(3)] = 1
    rounding: Literal["up", "down", "nearest"] = "up"
    split_time: Literal["chip", "clock"] = "chip"
    course: Annotated[tuple[PointTable, ...], MinLen(1)]
    start_window_s: Annotated[float, Gt(0), Le(86_400)] = 900
    wave: tuple[WaveTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationTable(Table):
    """`[[location]]`."""

    name: Name
    method: Literal["first", "last", "strongest", "peak"] | None = None
    quiet_s: Annotated[float, Gt(0), Le(600)] = 1.0
    stray_s: Annotated[float, Gt(0), Le(3600)] = 8.0
    min_gap_s: Seconds = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderTable(Table):
    """`[[reader]]`."""

    name: Name
    driver: str
    location: Name
    url: str
    priority: Annotated[int, Ge(1), Le(99)] = 1
    clock: Literal["reader", "corrected", "arrival"] | None = None
    offset_ms: Annotated[int, Ge(-3_600_000), Le(3_600_000)] = 0
    timezone: str | None = None
    gun_for: tuple[int, ...] = ()
    """Event ids whose T0 a gun marker of this reader sets; empty: kept, sets nothing."""
    sources: dict[Source, Name] = field(default_factory=dict)
    """Places on this one connection, as the reader names them -> location."""
    tls_fingerprint: Annotated[str, Pattern(r"^[0-9A-Fa-f:]+$")] | None = None
    """SHA-256 of the one certificate to be trusted, for readers that made it themselves."""
    options: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttTable(Table):
    """`[mqtt]`."""

    url: str
    base_topic: Annotated[str, Pattern(r"^[^#+\s]+$")] = "chip-bridge"
    share_crossings: bool = True
    publish_reads: bool = False
    ca_file: Path | None = None
    listen: str = "127.0.0.1:1883"
    """Where the embedded broker listens; only for `url = "embedded"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTable(Table):
    """`[web]`."""

    listen: str = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardTable(Table):
    """`[[forward]]`: be a reader to somebody else's program."""

    driver: str
    name: Name | None = None
    """Default: the driver."""
    listen: str | None = None
    """tcp://ADDRESS:PORT: programs connect to us."""
    connect: str | None = None
    """tcp://HOST:PORT, or for a webhook https://HOST/PATH: we connect to the program."""
    location: Name | None = None
    """Default: all locations of this box, where the protocol says which is which."""
    send: Literal["reads", "crossings"] = "reads"
    options: dict[str, object] = field(default_factory=dict)


class Secret:
    """A text that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(**********)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What is never in the file: environment or credential files."""

    provider_api_key: Secret | None = None
    provider_api_secret: Secret | None = None
    provider_email: Secret | None = None
    provider_password: Secret | None = None
    provider_client_id: Secret | None = None
    provider_client_secret: Secret | None = None
    provider_registration_id: Secret | None = None
    provider_registration_secret: Secret | None = None
    mqtt_username: Secret | None = None
    mqtt_password: Secret | None = None
    web_token: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Table):
    """The whole of `bridge.toml`."""

    bridge: BridgeTable
    provider: ProviderTable | None = None
    event: tuple[EventTable, ...] = ()
    location: tuple[LocationTable, ...] = ()
    reader: tuple[ReaderTable, ...] = ()
    mqtt: MqttTable | None = None
    web: WebTable | None = None
    forward: tuple[ForwardTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration without mistakes, with what it was made from."""

    config: Config
    """Relative paths in it are made absolute, from the folder of the file."""
    secrets: Secrets
    path: Path
    reader_passwords: Mapping[str, Secret] = field(default_factory=dict)
    """Reader name -> password, of the readers that have one."""
    forward_secrets: Mapping[str, Secret] = field(default_factory=dict)
    """Name of a forward -> what it signs or logs in with, of those that have one."""

    def secret_values(self) -> list[str]:
        """Return every secret there is: what no log, error or page may show."""
        values = [getattr(self.secrets, secret.name) for secret in fields(self.secrets)]
        values += [*self.reader_passwords.values(), *self.forward_secrets.values()]
        return [value.get_secret_value() for value in values if value is not None]
