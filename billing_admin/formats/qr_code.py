"""QR codes for pages."""

import base64

from billing_admin.formats.payment_code import svg


def qr_code_url(text: str) -> str:
    """Return a QR code of a text, as the data URL of an SVG image."""
    import segno  # noqa: PLC0415 - loaded on demand

    image = svg(segno.make(text, error="m", micro=False).matrix)
    return "data:image/svg+xml;base64," + base64.b64encode(image.encode()).decode()
