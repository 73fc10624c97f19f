"""`guosuo examples`: what the walkthrough needs, written into a folder.

Test certificates as QR pictures, the certificates of their signers, a policy, and an
envelope in which it stays. The certificates are EU test material of invented persons
(`cli/demo_data/README.md`); their signers are marked `test_only` and vouch for nothing in
a real federation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from guosuo.certlogic.json_text import load_json
from guosuo.cli import envelope_file, policy_file
from guosuo.cli.common import Desk, JsonOption, read_file
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.federation.charter import Environment, Federation
from guosuo.host.files import write_atomically

ANCHORS: Final = "anchors.json"
POLICY: Final = "policy.json"
ENVELOPE: Final = "envelope.json"


def examples(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; nothing is replaced.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Write test certificates, their signers, a policy and an envelope, to try things with.

    The certificates are of January 2022: use them with `--now 2022-01-18T12:30:00Z`.
    """
    desk = Desk.open(None, None, as_json)
    index = json.loads(_data("index.json"))
    anchors = [
        {"certificate": anchor["certificate"], "test_only": True} for anchor in index["anchors"]
    ]
    names = [certificate["file"] for certificate in index["certificates"]]
    files = {name: _data(name) for name in names}
    files[ANCHORS] = json.dumps({"anchors": anchors}, indent=1).encode()
    files[POLICY] = policy_file.EXAMPLE.encode()
    files[ENVELOPE] = envelope_file.EXAMPLE.encode()
    if any((folder / name).exists() for name in files):
        raise CallerError(Reason.STORE_EXISTS, "there are such files already; name a new folder")
    for name, data in files.items():
        write_atomically(folder / name, data)
    desk.say(f"{len(names)} certificates, {ANCHORS}, {POLICY} and {ENVELOPE} are in {folder}.")
    for certificate in index["certificates"]:
        desk.say(f"  {certificate['file']:<18} {certificate['kind']}: {certificate['note']}")
    desk.say("They are test material of invented persons; use --now 2022-01-18T12:30:00Z.")
    desk.result(folder=str(folder), files=sorted(files), now=index["now"])


def read_anchors(path: Path | None, federation: Federation, *, allow_test: bool) -> TrustAnchors:
    """Signers whose certificates count: `{"anchors": [{"certificate", "test_only"}, …]}`.

    `certificate` is DER in base64. Test anchors are refused unless they are allowed, and
    in a production federation always.
    """
    if path is None:
        raise CallerError(Reason.ARGUMENT, "name the signers' certificates with --anchors")
    test_federation = federation.charter.environment is Environment.TEST
    if allow_test and not test_federation:
        raise CallerError(Reason.STATE, "a production federation takes no test anchors")
    anchors = [
        TrustAnchor(certificate, test_only=test_only)
        for certificate, test_only in _read_list(read_file(path))
    ]
    if not allow_test and any(anchor.test_only for anchor in anchors):
        hint = "that list has test anchors; --allow-test-anchors takes them in a test federation"
        raise CallerError(Reason.STATE, hint)
    return TrustAnchors(anchors, allow_test=allow_test)


def _read_list(data: bytes) -> Sequence[tuple[bytes, bool]]:
    try:
        found: Any = load_json(data)
        return [
            (base64.b64decode(anchor["certificate"], validate=True), bool(anchor["test_only"]))
            for anchor in found["anchors"]
        ]
    except (PeerError, ValueError, KeyError, TypeError):
        pass
    raise CallerError(
        Reason.ARGUMENT, "a list of anchors is JSON as `guosuo examples` writes it; see there"
    )


def _data(name: str) -> bytes:
    return (resources.files("guosuo.cli") / "demo_data" / name).read_bytes()
