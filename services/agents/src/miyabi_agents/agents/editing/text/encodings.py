"""In which encoding a file is: by its byte order mark, by what declares it, else by its bytes where they are plain."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from miyabi_agents.agents.editing.text.detection import detected
from miyabi_core.text import split_lines

#: Byte order marks with the encoding of what follows; that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Encodings of more than one byte a character, in which a NUL is nothing unusual.
_WIDE = frozenset(name for _, name in _MARKS[1:])
#: A declaration in a comment of the first two lines (PEP 263; Ruby, Perl, Emacs and Vim have the same form).
_COOKIE = re.compile(rb"^[ \t\f]*(?:#|//|/\*|--|;|%|\"|<!--|\.\.).*?coding[:=][ \t]*([-\w.]+)")
#: The declaration of XML.
_XML = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding=[\"']([-\w.]{1,40})[\"']")
#: What Emacs adds for line ends.
_EMACS = re.compile(r"-(?:unix|dos|mac)$")
#: Text encodings of Python that are no encodings of files.
_NO_FILES = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7", "mbcs", "oem"})
#: Charsets of EditorConfig by Python's names.
_CHARSETS = {
    "latin1": "iso8859-1",
    "utf-8": "utf-8",
    "utf-8-bom": "utf-8",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
}
#: A NUL within so many bytes makes a file binary, as for git.
_LOOKED_AT = 8000
#: How ISO-2022-JP says that Japanese follows; else it is ASCII.
_JAPANESE = b"\x1b$"


class UnknownEncodingError(ValueError):
    """The encoding of a file cannot be known; the message says why."""


class BinaryFileError(ValueError):
    """A file is no text."""


@dataclass(frozen=True)
class Encoding:
    """How a file's text is stored.

    Args:
        name: Python's name of the codec.
        mark: The byte order mark before the text.
        by: What says so; empty for UTF-8 that nobody had to declare.
        checkout: Codec in which checkouts hold the file, which must be able to hold its text too; empty: the same.
    """

    name: str
    mark: bytes = b""
    by: str = ""
    checkout: str = ""


@dataclass(frozen=True)
class Declared:
    """What the repository says of a file from outside.

    Args:
        attributes: Of git, by name.
        properties: Of EditorConfig, by name.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> str:
        """The codec of checkouts; empty where git stores the file as checkouts have it.

        Raises:
            UnknownEncodingError: it is none that is known.
        """
        name = self.attributes.get("working-tree-encoding", "")
        return codec_of(name, ".gitattributes") if name not in {"", "set", "unset"} else ""


def codec_of(name: str, by: str) -> str:
    """Return Python's name of an encoding.

    Raises:
        UnknownEncodingError: it has none.
    """
    try:
        found = codecs.lookup(_EMACS.sub("", name.strip().lower()))
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in _NO_FILES:
        raise UnknownEncodingError(f"{by} declares the encoding {name!a}, which is not known")
    return found.name


def encoding_of(content: bytes, declared: Declared) -> Encoding:
    """Return the encoding of a file.

    Args:
        content: All of it, or its begin up to a line's end.
        declared: What is said of it elsewhere.

    Raises:
        UnknownEncodingError: nothing tells it, or what is declared and what is there differ.
        BinaryFileError: it is no text.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            checkout = declared.checkout if name == "utf-8" else ""
            return _checked(content[len(mark) :], Encoding(name, mark, "its byte order mark", checkout))
    wide = _CHARSETS.get(declared.properties.get("charset", ""), "")
    if wide in _WIDE and b"\0" in content and len(content) % 2 == 0:
        return _checked(content, Encoding(wide, by=".editorconfig"))
    if b"\0" in content[:_LOOKED_AT]:
        raise BinaryFileError("it is binary")
    checkout = declared.checkout
    if checkout and is_utf8(content):
        # What checkouts have in another encoding, git stores as UTF-8.
        return Encoding("utf-8", by=".gitattributes", checkout=checkout)
    inside = cookie_of(content)
    if inside:
        return _checked(content, Encoding(codec_of(inside, "the file itself"), by="the file itself"))
    if checkout:
        return _checked(content, Encoding(checkout, by=".gitattributes"))
    return _by_charset(content, declared.properties.get("charset", ""))


def _by_charset(content: bytes, charset: str) -> Encoding:
    """Return the encoding of a file that has no mark and declares none itself."""
    if charset == "latin1":
        if is_utf8(content) and not content.isascii():
            raise UnknownEncodingError(".editorconfig declares latin1, and the file's bytes are UTF-8")
        return Encoding("iso8859-1", by=".editorconfig")
    if _JAPANESE in content and _decodes(content, "iso2022_jp"):
        return Encoding("iso2022_jp", by="its bytes")
    if is_utf8(content):
        return Encoding("utf-8")
    if charset in {"utf-8", "utf-8-bom"}:
        raise UnknownEncodingError(f".editorconfig declares {charset}, and the file's bytes are not")
    found = detected(content)
    if not found:
        raise UnknownEncodingError(
            "its bytes are no UTF-8 and fit several encodings, and neither the file, .editorconfig nor .gitattributes "
            "declares one"
        )
    return Encoding(found, by="its bytes")


def encoding_for(text: str, declared: Declared) -> Encoding:
    """Return the encoding in which a new file is to be written.

    Raises:
        UnknownEncodingError: one is declared that is not known.
    """
    inside = cookie_of(text.encode("utf-8", "replace"))
    checkout = declared.checkout
    if checkout:
        return Encoding("utf-8", by=".gitattributes", checkout=checkout)
    if inside:
        return Encoding(codec_of(inside, "content"), by="the file itself")
    charset = declared.properties.get("charset", "")
    name = _CHARSETS.get(charset, "utf-8")
    marks = {"utf-8-bom": codecs.BOM_UTF8, "utf-16le": codecs.BOM_UTF16_LE, "utf-16be": codecs.BOM_UTF16_BE}
    return Encoding(name, marks.get(charset, b""), by="" if name == "utf-8" else ".editorconfig")


def cookie_of(content: bytes) -> str:
    """Return the encoding that a file declares in itself, as it is written; empty where it declares none."""
    found = _XML.match(content)
    if found is None:
        found = next(filter(None, map(_COOKIE.match, split_lines(content[:_LOOKED_AT])[:2])), None)
    return found[1].decode("ascii", "replace") if found else ""


def _checked(content: bytes, encoding: Encoding) -> Encoding:
    """Return an encoding that the bytes are in.

    Raises:
        UnknownEncodingError: they are not.
    """
    try:
        content.decode(encoding.name)
    except (UnicodeError, ValueError) as error:
        at = getattr(error, "start", 0)
        line = len(split_lines(content[:at] + b"x"))
        message = f"{encoding.by} says that it is {encoding.name}, and the bytes of line {line} are not"
        raise UnknownEncodingError(message) from error
    return encoding


def is_utf8(content: bytes) -> bool:
    """Tell whether bytes are UTF-8, as all of ASCII is."""
    return content.isascii() or _decodes(content, "utf-8")


def _decodes(content: bytes, name: str) -> bool:
    """Tell whether bytes are in an encoding."""
    try:
        content.decode(name)
    except UnicodeError:
        return False
    return True
