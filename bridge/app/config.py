"""The shape of `bridge.toml`: every table and key, its default and what is allowed.

Frozen models; unknown keys are errors in each of them. What several keys must agree on is
`bridge.app.config_checks`; reading files, environment and secrets is
`bridge.adapters.config_files`, turning mistakes into sentences `bridge.adapters.config_mistakes`;
turning the result into the small frozen parts that components take is `bridge.app.rulebook` and
`bridge.bootstrap`.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A site, reader or location: part of MQTT topics and file names."""
Text = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(ge=0, le=86_400 * 30)]


def _date_and_time(value: object) -> object:
    """Refuse what pydantic would take for an instant: a bare date, a number of seconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and len(value) > len("2026-11-21")):
        return value
    raise ValueError("must be a date and a time, for example 2026-11-21T08:30:00")


Gun = Annotated[datetime, BeforeValidator(_date_and_time)]
"""T0: local time of the race's zone, or with an offset of its own."""


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False
    )


class BridgeTable(_Table):
    """`[bridge]`."""

    site: Name
    data_dir: Path = Path("/var/lib/chip-bridge")
    secrets_dir: Path | None = None
    timezone: str | None = None
    commit_linger_ms: Annotated[float, Field(ge=0, le=1000)] = 20
    """Time a commit waits for company: 0 on SSD, 20-50 on SD cards."""
    keep_days: Annotated[int, Field(ge=1)] = 400
    """Journals of other races are kept this long; the current race's for ever."""
    min_free_mb: Annotated[int, Field(ge=10)] = 200
    """Below this much free space an alarm is raised and old races make room."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class ProviderTable(_Table):
    """`[provider]`."""

    kind: Literal["runsignup", "raceentry", "file"]
    race_id: Annotated[int, Field(ge=1)] | None = None
    base_url: str | None = None
    auth: Literal["api_key", "api_v2", "super_partner", "login", "oauth2"] = "api_v2"
    participants_every_s: Annotated[float, Field(ge=5, le=86_400)] = 30
    post: bool = True
    participants_file: Path | None = None


class PointTable(_Table):
    """One entry of `course`."""

    location: Name
    split: Text | None = None
    distance_m: Annotated[float, Field(ge=0)] | None = None
    min_time_s: Seconds | None = None
    max_time_s: Seconds | None = None


class WaveTable(_Table):
    """`[[event.wave]]`."""

    name: Text
    gun: Gun | None = None


class EventTable(_Table):
    """`[[event]]`."""

    id: Annotated[int, Field(ge=1)]
    name: Text
    gun: Gun | None = None
    result_set: Text | int = "Live Results"
    place_by: Literal["clock", "chip"] = "clock"
    share_places: bool = True
    decimals: Annotated[int, Field(ge=0, le=3)] = 1
    rounding: Literal["up", "down", "nearest"] = "up"
    split_time: Literal["chip", "clock"] = "chip"
    course: Annotated[tuple[PointTable, ...], Field(min_length=1)]
    start_window_s: Annotated[float, Field(gt=0, le=86_400)] = 900
    wave: tuple[WaveTable, ...] = ()


class LocationTable(_Table):
    """`[[location]]`."""

    name: Name
    method: Literal["first", "last", "strongest", "peak"] | None = None
    quiet_s: Annotated[float, Field(gt=0, le=600)] = 1.0
    stray_s: Annotated[float, Field(gt=0, le=3600)] = 8.0
    min_gap_s: Seconds = 60.0


class ReaderTable(_Table):
    """`[[reader]]`."""

    name: Name
    driver: str
    location: Name
    url: str
    priority: Annotated[int, Field(ge=1, le=99)] = 1
    clock: Literal["reader", "corrected", "arrival"] | None = None
    offset_ms: Annotated[int, Field(ge=-3_600_000, le=3_600_000)] = 0
    timezone: str | None = None
    gun_for: tuple[int, ...] = ()
    """Event ids whose T0 a gun marker of this reader sets; empty: kept, sets nothing."""
    options: dict[str, object] = Field(default_factory=dict)


class MqttTable(_Table):
    """`[mqtt]`."""

    url: str
    base_topic: Annotated[str, Field(pattern=r"^[^#+\s]+$")] = "chip-bridge"
    share_crossings: bool = True
    publish_reads: bool = False
    ca_file: Path | None = None
    listen: str = "127.0.0.1:1883"
    """Where the embedded broker listens; only for `url = "embedded"`."""


class WebTable(_Table):
    """`[web]`."""

    listen: str = "127.0.0.1:8080"


class Secrets(BaseModel):
    """What is never in the file: environment or credential files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider_api_key: SecretStr | None = None
    provider_api_secret: SecretStr | None = None
    provider_email: SecretStr | None = None
    provider_password: SecretStr | None = None
    provider_client_id: SecretStr | None = None
    provider_client_secret: SecretStr | None = None
    provider_registration_id: SecretStr | None = None
    provider_registration_secret: SecretStr | None = None
    mqtt_username: SecretStr | None = None
    mqtt_password: SecretStr | None = None
    web_token: SecretStr | None = None


class Config(_Table):
    """The whole of `bridge.toml`."""

    bridge: BridgeTable
    provider: ProviderTable | None = None
    event: tuple[EventTable, ...] = ()
    location: tuple[LocationTable, ...] = ()
    reader: tuple[ReaderTable, ...] = ()
    mqtt: MqttTable | None = None
    web: WebTable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration without mistakes, with what it was made from."""

    config: Config
    """Relative paths in it are made absolute, from the folder of the file."""
    secrets: Secrets
    path: Path

    def secret_values(self) -> list[str]:
        """Return every secret there is: what no log, error or page may show."""
        values = (getattr(self.secrets, name) for name in type(self.secrets).model_fields)
        return [value.get_secret_value() for value in values if value is not None]
