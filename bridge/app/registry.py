"""Find a driver by the name in the configuration."""

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from bridge.driver_api import Driver
from bridge.errors import ConfigError

GROUP = "chip_bridge.drivers"
"""Entry-point group in which a plug-in names its `Driver` objects."""


class Registry:
    """The drivers there are: those we ship, and those of installed plug-ins.

    Only the driver asked for is imported: a broken plug-in harms nobody else.
    """

    def __init__(self, builtin: Mapping[str, str]) -> None:
        """Take the table of built-in drivers: name -> ``module:object``."""
        self._builtin = {
            name: EntryPoint(name=name, value=value, group=GROUP) for name, value in builtin.items()
        }

    def names(self) -> list[str]:
        """Return the name of every driver, built in ones first."""
        plugins = sorted({plugin.name for plugin in entry_points(group=GROUP)})
        return [*self._builtin, *(name for name in plugins if name not in self._builtin)]

    def find(self, name: str) -> Driver:
        """Return the driver called `name`.

        Raises:
            ConfigError: Not exactly one driver has that name, or it does not load.
        """
        found = [*entry_points(group=GROUP, name=name)]
        if name in self._builtin:
            found.append(self._builtin[name])
        if not found:
            raise ConfigError(self.unknown(name))
        if len(found) > 1:
            sources = " and ".join(sorted(entry.value for entry in found))
            raise ConfigError(
                f"There is more than one driver {name!r} ({sources}); uninstall all but one."
            )
        return _load(found[0])

    def unknown(self, name: str) -> str:
        """Return what to tell who asked for a driver that is not there."""
        names = self.names()
        near = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"There is no driver {name!r}{hint}; there are: {', '.join(names)}."


def _load(entry: EntryPoint) -> Driver:
    try:
        driver = entry.load()
    except Exception as error:  # whatever somebody else's module does while it is imported
        raise ConfigError(
            f"The driver {entry.name!r} ({entry.value}) does not load: {error!r}."
        ) from error
    if not isinstance(driver, Driver):
        raise ConfigError(f"The driver {entry.name!r} ({entry.value}) is not a Driver.")
    return driver
