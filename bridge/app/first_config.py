"""The text of a first `bridge.toml`: what was answered, and in comments what else there is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What `init` has to know."""

    site: str
    timezone: str
    driver: str
    url: str
    location: str
    race_id: int | None
    """Number at RunSignup; None: participants come from a file."""
    events: Sequence[tuple[int, str]]
    """(id, name); empty: none yet."""
    mqtt: str | None
    """Broker URL; None: no MQTT."""


def first_config(answers: Answers) -> str:
    """Return TOML that loads without mistakes, whatever the operator does with the comments."""
    parts = [_bridge(answers), _provider(answers)]
    parts += [_event(number, name, answers) for number, name in answers.events]
    if not answers.events:
        parts.append(_NO_EVENT)
    parts += [_reader(answers), _mqtt(answers.mqtt), _WEB]
    return "\n".join(parts)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bridge(answers: Answers) -> str:
    return f"""\
# Configuration of chip-bridge. `chip-bridge check` says whether it is fit for the race.
# Environment variables override keys: CHIP_BRIDGE__MQTT__URL. Secrets are never in this file.

[bridge]
site = {_quoted(answers.site)}                  # name of this box, unique in the race
# data_dir = "/var/lib/chip-bridge"    # the journal is kept here
timezone = {_quoted(answers.timezone)}    # zone of gun times and of readers that tell local time
# commit_linger_ms = 20                # 0 on SSD, 20 to 50 on SD cards
"""


def _provider(answers: Answers) -> str:
    if answers.race_id is None:
        return """\
[provider]                             # participants come from here
kind = "file"
participants_file = "participants.csv" # CSV with a header line
"""
    return f"""\
[provider]                             # participants come from here, results go here
kind = "runsignup"
race_id = {answers.race_id}
# auth = "api_v2"                      # or api_key, super_partner; secrets by
                                       # environment: CHIP_BRIDGE_PROVIDER_API_KEY …
# participants_every_s = 30
# post = true                          # false: everything but the posting
"""


_NO_EVENT = """\
# [[event]]                            # one for each distance
# id = 54321                           # the provider's event id
# name = "10K"
# gun = 2026-11-21T08:30:00            # local time; or `chip-bridge gun 10K` at the start
# course = [
#   { location = "start" },
#   { location = "finish", distance_m = 10000, min_time_s = 1200 },
# ]
"""


def _event(number: int, name: str, answers: Answers) -> str:
    return f"""\
[[event]]
id = {number}
name = {_quoted(name)}
# gun = 2026-11-21T08:30:00            # local time; or `chip-bridge gun` at the start
# result_set = "Live Results"          # created if missing
# place_by = "clock"                   # clock or chip
course = [                             # points may have distance_m and min_time_s (the fastest)
  {{ location = "start" }},
{_split(answers.location)}
  {{ location = "finish" }},
]
# [[event.wave]]                       # where corrals have guns of their own
# name = "Corral B"
# gun = 2026-11-21T08:34:00
"""


def _split(location: str) -> str:
    if location in ("start", "finish"):
        return '  # { location = "5k", split = "5K", distance_m = 5000, min_time_s = 600 },'
    return f"  {{ location = {_quoted(location)}, split = {_quoted(location.upper())} }},"


def _reader(answers: Answers) -> str:
    return f"""\
[[reader]]                             # one for each reader of this box
name = {_quoted(f"{answers.location}-main")}
driver = {_quoted(answers.driver)}
location = {_quoted(answers.location)}
url = {_quoted(answers.url)}
# priority = 1                         # 1 is the highest; a backup mat gets 2
# clock = "corrected"                  # reader, corrected or arrival
# offset_ms = 0                        # for a line placed behind the official one

# [[location]]                         # only where the defaults do not fit
# name = {_quoted(answers.location)}
# quiet_s = 1.0
# min_gap_s = 60                       # laps need it shorter than the fastest lap
"""


def _mqtt(url: str | None) -> str:
    if url is None:
        return """\
# [mqtt]                               # displays and other boxes
# url = "mqtt://localhost:1883"        # or "embedded"
"""
    return f"""\
[mqtt]                                 # displays and other boxes
url = {_quoted(url)}
# base_topic = "chip-bridge"
# share_crossings = true
"""


_WEB = """\
[web]
listen = "127.0.0.1:8080"              # beyond this box a secret web_token is required
"""
