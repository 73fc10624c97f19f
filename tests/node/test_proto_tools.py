"""The interface: its lint, its comparison with what was released, its generated code."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
PROTO = ROOT / "proto"


@pytest.fixture(scope="module")
def check_proto() -> dict[str, Any]:
    return runpy.run_path(str(TOOLS / "check_proto.py"))


@pytest.fixture(scope="module")
def check_pb() -> dict[str, Any]:
    sys.path.insert(0, str(TOOLS))
    try:
        return runpy.run_path(str(TOOLS / "check_pb.py"))
    finally:
        sys.path.remove(str(TOOLS))


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    found: dict[str, str] = runpy.run_path(str(TOOLS / "generate_pb.py"))["generate"]()
    return found


def test_the_generated_code_is_up_to_date(check_pb: dict[str, Any], made: dict[str, str]) -> None:
    assert check_pb["differences"](made, check_pb["TARGET"]) == []
    assert {name for name in made if name.endswith("_grpc.pyi")} == {
        f"{name}_pb2_grpc.pyi"
        for name in ("directory", "enrolment", "federation", "status", "verify")
    }


def test_altered_missing_and_left_over_files_are_found(
    check_pb: dict[str, Any], made: dict[str, str], tmp_path: Path
) -> None:
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert check_pb["differences"](made, tmp_path) == []
    (tmp_path / "status_pb2.py").unlink()
    (tmp_path / "verify_pb2.pyi").write_text("# by hand\n", encoding="utf-8")
    (tmp_path / "old_pb2.py").write_text("", encoding="utf-8")
    assert check_pb["differences"](made, tmp_path) == [
        "old_pb2.py is left over",
        "status_pb2.py is missing",
        "verify_pb2.pyi is not what proto/ gives",
    ]


def test_every_message_field_and_method_has_a_comment() -> None:
    """Without buf as well: its lint asks for the same."""
    for path in sorted(PROTO.rglob("*.proto")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("// ")
        for number, line in enumerate(lines):
            word = line.strip()
            if word.endswith(";") and ("=" in word or word.startswith("rpc ")):
                if not word.startswith("syntax"):
                    assert lines[number - 1].strip().startswith("//"), f"{path.name}:{number + 1}"
            elif word.startswith(("message ", "enum ", "service ", "oneof ")):
                assert lines[number - 1].strip().startswith("//"), f"{path.name}:{number + 1}"


def test_the_released_interface_is_one() -> None:
    released = FileDescriptorSet.FromString((PROTO / "released.binpb").read_bytes())
    assert {file.package for file in released.file} == {"guosuo.v1"}
    assert all(
        method.input_type.endswith(f".{method.name}Request")
        for file in released.file
        for service in file.service
        for method in service.method
    )


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """A copy of proto/ with one place of directory.proto changed."""
    proto = tmp_path / "proto"
    shutil.copytree(PROTO, proto)
    path = proto / "guosuo" / "v1" / "directory.proto"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return proto


@pytest.mark.parametrize(
    ("old", "new", "clean"),
    [
        ("uint64 time_ms = 4;", "uint64 time_ms = 4;", True),
        (
            "  uint32 epoch = 6;\n",
            "  uint32 epoch = 6;\n  // Something new.\n  bool b = 99;\n",
            True,
        ),
        ("uint64 time_ms = 4;", "uint64 time_ms = 99;", False),
        ("uint64 time_ms = 4;", "uint64 time_millis = 4;", False),
        ("uint64 time_ms = 4;", "string time_ms = 4;", False),
        ("  bool leader = 5;\n", "  reserved 5;\n", False),
        ("rpc GetNode(GetNodeRequest)", "rpc GetMyself(GetNodeRequest)", False),
        ("  // Federation identifier; 32 bytes.\n", "", False),
        ("bytes federation = 3;", "bytes Federation = 3;", False),
    ],
)
def test_what_breaks_clients_or_style_is_found(
    check_proto: dict[str, Any], tmp_path: Path, old: str, new: str, *, clean: bool
) -> None:
    # Not installed from here: tests run side by side.
    if not check_proto["is_installed"]():
        missing = "buf is not installed: run tools/check_proto.py"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    proto = edited(tmp_path, old, new)
    assert (check_proto["compare"](proto, PROTO / "released.binpb") == 0) is clean


def test_without_node_the_check_is_skipped_at_home_and_fails_in_ci(
    check_proto: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    assert check_proto["main"]([]) == 0
    assert "skipped" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert check_proto["main"]([]) == 1
