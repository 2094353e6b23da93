"""Texts of tags in formats that do not say how they encode them."""

from __future__ import annotations

import codecs
import re

# Hiragana and katakana. Those of half width are left out: in Latin-1 their bytes are letters.
_KANA = re.compile("[\u3041-\u30ff]")
_IDEOGRAMS = re.compile("[\u4e00-\u9fff]")

# Bytes that Windows' code page has no character for.
_UNDEFINED = dict.fromkeys((0x81, 0x8D, 0x8F, 0x90, 0x9D), "\ufffd")


def decode_text(content: bytes) -> str:
    """What the bytes probably say: UTF-16 or UTF-8, else Shift-JIS, else Windows-1252.

    Text in UTF-8 is hardly ever anything else. Shift-JIS is only believed where there is Japanese
    in the result, because most Western names could be read so too: "Amélie" has a kanji then.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").rstrip("\0")
    content = content.removeprefix(codecs.BOM_UTF8).rstrip(b"\0")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        # Cut off within a letter, as fields of a fixed length are.
        if error.reason == "unexpected end of data" and not before.isascii():
            return before.decode()
    try:
        japanese = content.decode("cp932")
    except UnicodeDecodeError:
        japanese = ""
    num_ideograms = len(_IDEOGRAMS.findall(japanese))
    if _KANA.search(japanese) or (num_ideograms >= 2 and 2 * num_ideograms >= len(japanese)):
        return japanese
    return content.decode("latin-1").translate(_WINDOWS_1252)


_WINDOWS_1252 = {
    **{byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0xA0)},
    **_UNDEFINED,
}
