"""Pages that are pictures, read by OCR. Needs the extra `documents`; its models come with the package."""

from importlib.util import find_spec
from typing import Any

DPI = 200
"""Dots per inch at which a page is drawn: letters of 9 points are then 25 pixels high."""
MOST_DOTS = 40 * 10**6
"""Of one drawn page; an A3 page at 200 DPI has 8 million. A larger page is drawn more coarsely."""
SURE = 0.5
"""Confidence below which a line is left out: what is read there is a stain or a picture."""


def available() -> bool:
    """Whether the extra is installed; importing it would take a second."""
    return all(find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


class Ocr:
    """Reads drawn pages. The models are loaded with the first page."""

    def __init__(self) -> None:
        self._engine: Any = None

    def page(self, page: Any) -> str:
        """The lines of a page of a PDF, from top to bottom."""
        bitmap = drawn(page)
        try:
            return self.picture(bitmap.to_numpy())
        finally:
            bitmap.close()

    def picture(self, picture: Any) -> str:
        """The lines of a picture: an array (height, width, 3) of bytes, blue first."""
        if self._engine is None:
            from rapidocr import RapidOCR

            self._engine = RapidOCR(params={"Global.log_level": "critical"})
        found = self._engine(picture)
        if found.txts is None:
            return ""
        return "\n".join(text for text, score in zip(found.txts, found.scores, strict=True) if score >= SURE)


def drawn(page: Any) -> Any:
    """A page of a PDF as a picture, at DPI or as finely as MOST_DOTS allow."""
    width, height = page.get_size()
    return page.render(scale=min(DPI / 72, (MOST_DOTS / max(1.0, width * height)) ** 0.5))
