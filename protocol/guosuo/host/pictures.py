"""QR codes as pictures: segno writes, zxing-cpp reads."""

from __future__ import annotations

import io
from pathlib import Path

import segno
import zxingcpp
from PIL import Image, UnidentifiedImageError

from guosuo.errors import CallerError, PeerError, Reason

MAX_VERSION = 25
"""The largest QR version of the protocol; a show today is version 19 at level L."""
MAX_PICTURE = 8 << 20
"""Octets of a picture file that is read at most."""
MAX_PIXELS = 40_000_000


def make_code(text: str) -> segno.QRCode:
    """One QR symbol at level L; `CallerError` above version 25."""
    code = segno.make_qr(text, error="l", boost_error=False)
    if not isinstance(code.version, int) or code.version > MAX_VERSION:
        raise CallerError(Reason.QR_TEXT, "too long for one QR code of version 25")
    return code


def png(code: segno.QRCode, *, scale: int = 4) -> bytes:
    """The symbol with its quiet zone as a PNG picture."""
    out = io.BytesIO()
    code.save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def read_picture(path: Path) -> str:
    """The text of the one QR code in a picture file; `PeerError(QR_PICTURE)`."""
    if not path.is_file() or path.stat().st_size > MAX_PICTURE:
        raise PeerError(Reason.QR_PICTURE, "no such picture, or too large")
    return read_png(path.read_bytes())


def read_png(data: bytes) -> str:
    """The text of the one QR code in a picture."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PeerError(Reason.QR_PICTURE, "too many pixels")
            grey = image.convert("L")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise PeerError(Reason.QR_PICTURE, "not a picture") from None
    found = zxingcpp.read_barcodes(
        grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    )
    if len(found) != 1:
        raise PeerError(Reason.QR_PICTURE, "not exactly one QR code in the picture")
    return str(found[0].text)
