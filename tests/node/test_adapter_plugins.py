"""Which adapter a configuration means, and what is wrong with it if it cannot be had."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from guosuo.errors import Reason
from guosuo_node.adapter.dcc_source import make, read_anchors
from guosuo_node.adapter.desk import Desk
from guosuo_node.adapter.interface import (
    Context,
)
from guosuo_node.adapter.plugins import GROUP, SetupError, find_factory, installed, load_adapter
from tests.support.adapters import (
    COUNTER,
    DATA,
    NOW,
    REGION,
    qr_text,
    statement,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    index = json.loads((DATA / "index.json").read_bytes())
    listed = [{"certificate": x["certificate"], "test_only": True} for x in index["anchors"]]
    (tmp_path / "anchors.json").write_text(json.dumps({"anchors": listed}), encoding="ascii")
    return Context(REGION, production=False, folder=tmp_path)


SETTINGS = {
    "anchors": "anchors.json",
    "allow_test_anchors": True,
    "counter_keys": [bytes(COUNTER.verify_key).hex()],
}


def test_the_document_adapter_comes_from_its_settings(context: Context) -> None:
    desk = Desk(load_adapter("guosuo_node.adapter.dcc_source:make", SETTINGS, context))
    examined = desk.examine(statement("LT-1"), qr_text("LT-1").encode(), now=NOW)
    assert asyncio.run(examined).record


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"allow_test_anchors": False}, "allow_test_anchors takes them"),
        ({"allow_test_anchors": "yes"}, "'allow_test_anchors' is true or false"),
        ({"anchors": "missing.json"}, "missing.json' cannot be read: No such file"),
        ({"anchors": ""}, "needs the setting 'anchors', a text"),
        ({"anchors": "broken.json"}, "is not a list as `guosuo examples` writes it"),
        ({"anchors": "other.json"}, "is not a list as `guosuo examples` writes it"),
        ({"counter_keys": []}, "needs the setting 'counter_keys', a list"),
        ({"counter_keys": ["00"]}, "64 hexadecimal digits"),
        ({"counter_keys": ["g" * 64]}, "64 hexadecimal digits"),
        ({"counter_key": "x"}, "knows no setting 'counter_key'. It knows: allow_test_anchors"),
    ],
)
def test_wrong_settings_are_told(context: Context, changed: dict[str, Any], advice: str) -> None:
    (context.folder / "broken.json").write_bytes(b"{")
    other = {"anchors": [{"certificate": "AAAA", "test_only": 1}]}
    (context.folder / "other.json").write_text(json.dumps(other), encoding="ascii")
    make(SETTINGS, context)
    with pytest.raises(SetupError, match=re.escape(advice)):
        make({**SETTINGS, **changed}, context)


def test_production_takes_no_test_anchors(context: Context) -> None:
    with pytest.raises(SetupError, match="drop allow_test_anchors"):
        make(SETTINGS, replace(context, production=True))
    with pytest.raises(SetupError, match="has test anchors"):
        read_anchors(context.folder / "anchors.json", allow_test=False)


PLUGIN = """
class Mine:
    def __init__(self, settings): self.settings = settings
    async def identify(self, identification, *, now): ...
    async def evidence(self, identified, reference, *, now): ...
    async def close(self): ...

def make(settings, context): return Mine(settings)
def half(settings, context): return object()
number = 5
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with plug-ins, installed as the metadata says."""
    (tmp_path / "a_province.py").write_text(PLUGIN, encoding="ascii")
    (tmp_path / "a_broken_province.py").write_text("1 / 0", encoding="ascii")
    (tmp_path / "a_needy_province.py").write_text("import no_such_module", encoding="ascii")
    for number in (1, 2):
        info = tmp_path / f"a_province{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: a-province{number}\nVersion: 1.0\n", encoding="ascii"
        )
        points = f"[{GROUP}]\ntwice = a_province:{'make' if number == 1 else 'half'}\n"
        points += "mine = a_province:make\n" if number == 1 else ""
        (info / "entry_points.txt").write_text(points, encoding="ascii")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("a_province", "a_broken_province", "a_needy_province"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("package")
def test_plug_ins_are_found_by_name_or_place(context: Context) -> None:
    assert {"mine", "twice"} <= set(installed())
    for name in ("mine", "a_province:make"):
        adapter: Any = load_adapter(name, {"a": 1}, context)
        assert adapter.settings == {"a": 1}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("yours", "no adapter 'yours' is installed. Installed are: "),
        ("twice", "two installed packages offer an adapter 'twice': name module:factory"),
        ("a_province:", "not of the form module:factory"),
        ("a_province:make()", "not of the form module:factory"),
        ("a_province:other", "module 'a_province' has no 'other'"),
        ("a_province:number", "is not a function (settings, context) -> Adapter"),
        ("a_province:half", "returned something without identify()"),
        ("another_province:make", "there is no module 'another_province'"),
        ("a_province.inner:make", "there is no module 'a_province.inner'"),
        ("a_broken_province:make", "its module fails to import (ZeroDivisionError)"),
        ("a_needy_province:make", "needs the module 'no_such_module', which is not installed"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_told(name: str, advice: str, context: Context) -> None:
    with pytest.raises(SetupError, match=re.escape(advice)) as failed:
        load_adapter(name, {}, context)
    assert failed.value.reason is Reason.ARGUMENT


def test_the_built_in_ones_are_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"][GROUP]
    assert set(points) == {"documents", "health-system"}
    for name, value in points.items():
        assert find_factory(value) is EntryPoint(name, value, GROUP).load()
