"""Finding the adapter that a configuration names.

    adapter = "health-system"                     an installed plug-in, by its entry point
    adapter = "guangdong.enrolment:make_adapter"  a module and the factory in it

A package offers a plug-in by an entry point of the group `guosuo.adapters`.
"""

from __future__ import annotations

import importlib
import re
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from guosuo.errors import CallerError, Reason
from guosuo_node.adapter.interface import Adapter, Context, Factory, Settings

GROUP: Final = "guosuo.adapters"

_ATTRIBUTE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_METHODS: Final = ("identify", "evidence", "close")


class SetupError(CallerError):
    """A configuration that cannot work; the text says what to change.

    Other than the errors of the protocol it names the setting at fault, with words of the
    operator's own configuration: there is nothing personal in that, and never a secret.
    """

    def __init__(self, advice: str) -> None:
        """`advice` is one sentence for the operator."""
        super().__init__(Reason.ARGUMENT, advice)


def load_adapter(name: str, settings: Settings, context: Context) -> Adapter:
    """The adapter, made by its factory; `SetupError`."""
    adapter = find_factory(name)(settings, context)
    missing = [method for method in _METHODS if not callable(getattr(adapter, method, None))]
    if missing:
        advice = (
            f"the factory of adapter {name!r} returned something without {missing[0]}(): "
            "see guosuo_node.adapter.interface.Adapter"
        )
        raise SetupError(advice)
    return adapter


def find_factory(name: str) -> Factory:
    """The factory that a name of the configuration means; `SetupError`."""
    if ":" in name:
        if _ATTRIBUTE.fullmatch(name) is None:
            advice = f"adapter {name!r} is not of the form module:factory"
            raise SetupError(advice)
        return _load(EntryPoint(name, name, GROUP), name)
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        advice = (
            f"no adapter {name!r} is installed. Installed are: {', '.join(installed()) or 'none'}. "
            "Install the package that has it into the node's environment, or name module:factory"
        )
        raise SetupError(advice)
    if len({point.value for point in found}) > 1:
        advice = f"two installed packages offer an adapter {name!r}: name module:factory instead"
        raise SetupError(advice)
    return _load(found[0], name)


def installed() -> list[str]:
    """Names of all plug-ins."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def _load(point: EntryPoint, name: str) -> Factory:
    try:
        importlib.import_module(point.module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{point.module}.".startswith(f"{error.name}."):
            advice = (
                f"adapter {name!r}: there is no module {error.name!r} in the node's environment. "
                "Check the spelling, and that its package is installed there"
            )
        else:
            advice = f"adapter {name!r} needs the module {error.name!r}, which is not installed"
        raise SetupError(advice) from error
    except Exception as error:
        advice = f"adapter {name!r}: its module fails to import ({type(error).__name__}), see above"
        raise SetupError(advice) from error
    try:
        factory = point.load()
    except AttributeError as error:
        advice = f"adapter {name!r}: module {point.module!r} has no {point.attr!r}"
        raise SetupError(advice) from error
    if not callable(factory):
        advice = (
            f"adapter {name!r}: {point.attr!r} is not a function (settings, context) -> Adapter"
        )
        raise SetupError(advice)
    made: Factory = factory
    return made


# --- reading settings -----------------------------------------------------------------


def text_setting(settings: Settings, name: str, *, default: str | None = None) -> str:
    """A text; `SetupError` if it is missing (without a default), empty or of another type."""
    value = settings.get(name, default)
    if not isinstance(value, str) or not value:
        advice = f"the adapter needs the setting {name!r}, a text"
        raise SetupError(advice)
    return value


def number_setting(
    settings: Settings, name: str, *, default: float, least: float, most: float
) -> float:
    """A number within bounds; `SetupError`."""
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        advice = f"the adapter's setting {name!r} is a number from {least} to {most}"
        raise SetupError(advice)
    return value


def flag_setting(settings: Settings, name: str) -> bool:
    """A yes or no, no by default; `SetupError`."""
    value = settings.get(name, False)
    if not isinstance(value, bool):
        advice = f"the adapter's setting {name!r} is true or false"
        raise SetupError(advice)
    return value


def list_setting(settings: Settings, name: str) -> list[str]:
    """A list of texts, at least one; `SetupError`."""
    value = settings.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
        advice = f"the adapter needs the setting {name!r}, a list of texts"
        raise SetupError(advice)
    return value


def only(settings: Settings, *names: str) -> None:
    """Nothing but these: a misspelt setting is no default; `SetupError`."""
    unknown = sorted(settings.keys() - set(names))
    if unknown:
        advice = (
            f"the adapter knows no setting {unknown[0]!r}. It knows: {', '.join(sorted(names))}"
        )
        raise SetupError(advice)
