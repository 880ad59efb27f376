"""The table of readers we ship: name in `bridge.toml` -> where its `Driver` value lives.

Places, not values: a bridge with one reader imports one driver.
"""

from typing import Final

BUILTIN: Final = {
    "ipico": "drivers.ipico:DRIVER",
    "race-result": "drivers.race_result:DRIVER",
    "llrp": "drivers.llrp:DRIVER",
    "foxberry": "drivers.foxberry:DRIVER",
    "timingsense": "drivers.timingsense:DRIVER",
    "thbc-protime": "drivers.thbc_protime:DRIVER",
    "yrm100": "drivers.yrm100:DRIVER",
    "ultra": "drivers.ultra:DRIVER",
    "amb-p3": "drivers.amb_p3:DRIVER",
    "thingmagic": "drivers.thingmagic:DRIVER",
    "alge": "drivers.alge:DRIVER",
    "mylaps": "drivers.mylaps:DRIVER",
    "impinj-iot": "drivers.impinj_iot:DRIVER",
    "zebra-iot": "drivers.zebra_iot:DRIVER",
    "race-result-http": "drivers.race_result_http:DRIVER",
    "race-result-trackbox": "drivers.race_result_trackbox:DRIVER",
    "invelion": "drivers.invelion:DRIVER",
    "tagheuer": "drivers.tagheuer:DRIVER",
    "macsha": "drivers.macsha:DRIVER",
    "chafon": "drivers.chafon:DRIVER",
    "sportident": "drivers.sportident:DRIVER",
    "chronotrack": "drivers.chronotrack:DRIVER",
    "wiclax": "drivers.wiclax:DRIVER",
    "jchip": "drivers.jchip:DRIVER",
    "alien": "drivers.alien:DRIVER",
    "race-result-usb": "drivers.race_result_usb:DRIVER",
    "line": "drivers.line:DRIVER",
    "file": "drivers.file:DRIVER",
    "gpio": "drivers.gpio:DRIVER",
}
