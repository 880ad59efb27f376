"""The table of readers we ship: name in `bridge.toml` -> where its `Driver` value lives.

Places, not values: a bridge with one reader imports one driver.
"""

from typing import Final

BUILTIN: Final = {
    "ipico": "drivers.ipico:DRIVER",
    "race-result": "drivers.race_result:DRIVER",
}
