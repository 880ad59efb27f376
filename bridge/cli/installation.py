"""Whether the packages that run are ours: `drivers` is a name others use."""

from importlib.metadata import Distribution, distributions

from bridge.app.registry import Registry
from bridge.errors import ConfigError

_OURS = "chip-bridge"


def installed_drivers() -> Registry:
    """Return the registry with the drivers we ship.

    Raises:
        ConfigError: Another distribution put its own `drivers` over ours.
    """
    try:
        from drivers import BUILTIN  # noqa: PLC0415 -- may be somebody else's
    except ImportError as error:
        raise ConfigError(_advice(others())) from error
    return Registry(BUILTIN)


def check_installation() -> None:
    """Refuse to start beside a distribution that has a package `drivers` too.

    For the commands that run for long: it reads the list of files of every distribution.

    Raises:
        ConfigError: There is one; the text names it.
    """
    if strangers := others():
        raise ConfigError(_advice(strangers))


def others() -> list[str]:
    """Return the other distributions that install a package `drivers`.

    Looks through the lists of files as text: the library takes each of them apart, which is a
    tenth of the time until the first read.
    """
    owners = {str(found.metadata["Name"]) for found in distributions() if _has_drivers(found)}
    return sorted(owner for owner in owners if owner.lower().replace("_", "-") != _OURS)


def _has_drivers(distribution: Distribution) -> bool:
    files = distribution.read_text("RECORD") or ""
    if "drivers" in (distribution.read_text("top_level.txt") or "").split():
        return True
    return any(f"\n{start}" in f"\n{files}" for start in ("drivers/", "drivers.py,"))


def _advice(strangers: list[str]) -> str:
    names = " and ".join(strangers) or "another package"
    return (
        f"The package `drivers` of chip-bridge is overwritten by {names}: "
        "install chip-bridge into a virtual environment of its own."
    )
