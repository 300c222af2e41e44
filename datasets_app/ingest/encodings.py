"""Which encoding a text file seems to have."""

import re

from datasets_app.ingest.options import Encoding

BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": Encoding.UTF_8_BOM,
    b"\xff\xfe": Encoding.UTF_16_LE,
    b"\xfe\xff": Encoding.UTF_16_BE,
}
# Of Latin text in UTF-16 every second byte is a NUL.
NUL_SHARE = 0.3
# What Windows-1252 has besides ASCII, which is all that Latin-1 has for people to read, and quotes and dashes besides;
# without the two letters that hardly any language uses and damaged files are full of.
LETTERS = re.compile(rb"[\x80-\xfd]")
NO_LETTERS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d\xfe\xff]")
LONGER_IN_UTF_8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def encoding_of(head: bytes) -> Encoding:
    """By the mark at its beginning or by what its bytes can be; UTF-8 where nothing explains them."""
    for mark, marked in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return marked
    if wide := _utf_16(head):
        return wide
    return Encoding.WINDOWS_1252 if not _is_utf_8(head) and _is_windows_1252(head) else Encoding.UTF_8


def _utf_16(head: bytes) -> Encoding | None:
    half = len(head) // 2
    first, second = head[0 : 2 * half : 2].count(0), head[1 : 2 * half : 2].count(0)
    if not half or max(first, second) < NUL_SHARE * half or min(first, second) > max(first, second) // 10:
        return None
    return Encoding.UTF_16_LE if second > first else Encoding.UTF_16_BE


def _is_utf_8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and error.reason == "unexpected end of data"
    return True


def _is_windows_1252(head: bytes) -> bool:
    """A damaged row of a file in UTF-8 should not turn the others into gibberish."""
    return bool(LETTERS.search(head)) and not NO_LETTERS.search(head) and not LONGER_IN_UTF_8.search(head)
