"""A file stays in its encoding: declared or plain by its bytes; what cannot be known is read with the reason, not edited."""

from __future__ import annotations

import codecs

import pytest

from miyabi_agents.agents.editing.text.detection import CANDIDATES, detected

FRENCH = "# Calcule la différence, arrondie à l'entier\nvalue = 1\n# été\n"
JAPANESE = "# これは日本語のコメントです。値を二倍にして返します。\nvalue = 1\n# 終わり\n"
LATIN = "latin-1"


def cookie(name: str, text: str) -> bytes:
    """Return a text that declares its encoding as Python has it."""
    return f"# -*- coding: {name} -*-\n{text}".encode(name)


def config(charset: str) -> dict[str, bytes]:
    """Return an EditorConfig that declares an encoding."""
    return {".editorconfig": f"root = true\n[*.{{py,txt}}]\ncharset = {charset}\n".encode()}


def attributes(encoding: str) -> dict[str, bytes]:
    """Return attributes that declare the encoding of checkouts."""
    return {".gitattributes": f"*.py text working-tree-encoding={encoding}\n".encode()}


#: Content, files that declare something, encoding behind the mark, length of the mark.
KNOWN = {
    "UTF-8": (FRENCH.encode(), {}, "utf-8"),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + FRENCH.encode(), {}, "utf-8"),
    "UTF-16 LE": (codecs.BOM_UTF16_LE + FRENCH.encode("utf-16-le"), {}, "utf-16-le"),
    "UTF-16 BE": (codecs.BOM_UTF16_BE + FRENCH.encode("utf-16-be"), {}, "utf-16-be"),
    "UTF-32": (codecs.BOM_UTF32_LE + FRENCH.encode("utf-32-le"), {}, "utf-32-le"),
    "UTF-16 LE by EditorConfig": (FRENCH.encode("utf-16-le"), config("utf-16le"), "utf-16-le"),
    "Latin-1 by its cookie": (cookie(LATIN, FRENCH), {}, LATIN),
    "Latin-1 by an Emacs cookie": (b"# -*- coding: latin-1-unix -*-\n" + FRENCH.encode(LATIN), {}, LATIN),
    "Latin-1 by EditorConfig": (FRENCH.encode(LATIN), config("latin1"), LATIN),
    "Latin-1 by attributes": (FRENCH.encode(LATIN), attributes("ISO-8859-1"), LATIN),
    "UTF-8, UTF-16 in checkouts": (FRENCH.encode(), attributes("UTF-16"), "utf-8"),
    "Latin-1 of XML": (b"<?xml version='1.0' encoding='iso-8859-1'?>\n" + FRENCH.encode(LATIN), {}, LATIN),
    "Shift_JIS by its cookie": (cookie("shift_jis", JAPANESE), {}, "shift_jis"),
    "Shift_JIS by its bytes": (JAPANESE.encode("shift_jis"), {}, "shift_jis"),
    "EUC-JP by its bytes": (JAPANESE.encode("euc_jp"), {}, "euc_jp"),
    "ISO-2022-JP by its bytes": (JAPANESE.encode("iso2022_jp"), {}, "iso2022_jp"),
    "GB 18030 by its bytes": ("# 这是一个中文注释。返回两倍的值。函数说明如下。\nvalue = 1\n".encode("gb18030"), {}, "gb18030"),
    "EUC-KR by its bytes": ("# 이것은 한국어 주석입니다. 값을 두 배로 반환합니다.\nvalue = 1\n".encode("euc_kr"), {}, "euc_kr"),
    "Windows-1251 by its bytes": ("# Это комментарий на русском языке, который объясняет функцию\nvalue = 1\n".encode("cp1251"), {}, "cp1251"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "rules", "name"), KNOWN.values(), ids=KNOWN)
async def test_every_byte_outside_the_edit_is_kept(on_files, content: bytes, rules, name: str) -> None:
    """Of `value = 1` one character is replaced, and that alone differs; the model was shown the text."""
    async with on_files({"a.py": content, **rules}) as opened:
        shown = await opened.tools.read({"path": "a.py"})
        await opened.tools.edit({"path": "a.py", "old_str": "value = 1", "new_str": "value = 2"})
        assert opened.tree.read("a.py") == content.replace("value = 1".encode(name), "value = 2".encode(name))
    assert content.decode(name).split("\n")[0].lstrip("\ufeff") in shown


#: Comments as they stand in source code of each language.
COMMENTS = {
    "French": "Calcule la différence entre deux valeurs et renvoie le résultat arrondi, déjà traité où c'est nécessaire",
    "German": "Prüft die Größe der Übergabe und gibt zurück, ob sie für die Ausführung genügt; läuft nur außerhalb",
    "Spanish": "Devuelve el número de líneas de la función; también añade el tamaño máximo según la configuración",
    "Polish": "Zwraca różnicę między dwiema wartościami; jeżeli są równe, zgłasza błąd i kończy działanie pętli",
    "Czech": "Vrátí počet řádků souboru; když žádný není, skončí s chybou a uloží poslední změny do paměti",
    "Russian": "Возвращает разницу между двумя значениями; если они равны, сообщает про ошибку и завершает цикл",
    "Japanese": "二つの値の差を計算して返します。値が等しいときはエラーを報告し、ループを終了します。",
    "Korean": "두 값의 차이를 계산하여 반환합니다. 값이 같으면 오류를 보고하고 반복을 끝냅니다.",
    "Chinese": "计算两个值的差并返回结果。如果两个值相等则报告错误并结束循环。函数说明如下。",
}
STORED = [
    (language, name, size)
    for language, words in COMMENTS.items()
    for name in CANDIDATES
    for size in (12, 40, len(words))
    if words.encode(name, "replace").decode(name) == words
]


@pytest.mark.parametrize(("language", "name", "size"), STORED, ids=str)
def test_an_encoding_is_told_rightly_or_not_at_all(language: str, name: str, size: int) -> None:
    """Short or long, in every encoding that has the language's letters: never another text than was written."""
    text = f"# {COMMENTS[language][:size]}\ndef run(value):\n    return value\n"
    content = text.encode(name)
    told = detected(content)
    assert told == "" or content.decode(told) == text


#: An encoding, and a character that it cannot hold.
FOREIGN = {
    "Latin-1": (cookie(LATIN, FRENCH), {}, "€", "U+20AC EURO SIGN"),
    "Shift_JIS": (JAPANESE.encode("shift_jis"), {}, "😀", "U+1F600 GRINNING FACE"),
    "UTF-8, Latin-1 in checkouts": (FRENCH.encode(), attributes("ISO-8859-1"), "値", "U+5024 CJK UNIFIED IDEOGRAPH-5024"),
    "UTF-8": (FRENCH.encode(), {}, "a\0", "U+0000"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "rules", "char", "name"), FOREIGN.values(), ids=FOREIGN)
async def test_a_character_that_the_encoding_cannot_hold_is_named(on_files, content, rules, char, name) -> None:
    """The edit is refused with the character, and nothing is written."""
    async with on_files({"a.py": content, **rules}) as opened:
        with pytest.raises(ValueError, match=r"cannot hold .*" + name.replace("+", r"\+")):
            await opened.tools.edit({"path": "a.py", "old_str": "value = 1", "new_str": f"value = '{char}'"})
        assert await opened.paths() == []


#: Content, files that declare something, words of the reason.
UNKNOWN = {
    "a few bytes that may be anything": (b"# caf\xe9\nvalue = 1\n", {}, "fit several encodings"),
    "French that may be Polish": (FRENCH.encode(LATIN), {}, "fit several encodings"),
    "a cookie of no encoding": (b"# coding: klingon\nvalue = 1\n", {}, "'klingon', which is not known"),
    "a cookie of no file's encoding": (b"# coding: rot13\nvalue = 1\n", {}, "'rot13', which is not known"),
    "a cookie that the bytes belie": (b"# coding: utf-8\nvalue = 1 # \xe9\n", {}, "bytes of line 2 are not"),
    "an EditorConfig that the bytes belie": (FRENCH.encode(), config("latin1"), "the file's bytes are UTF-8"),
    "UTF-8 that is none": (FRENCH.encode(LATIN), config("utf-8"), "declares utf-8, and the file's bytes are not"),
    "an attribute of no encoding": (FRENCH.encode(), attributes("klingon"), "'klingon', which is not known"),
}


@pytest.mark.parametrize(("content", "rules", "reason"), UNKNOWN.values(), ids=UNKNOWN)
async def test_what_cannot_be_known_is_read_with_the_reason_and_not_edited(on_files, content, rules, reason) -> None:
    """The model sees ASCII and the other bytes as escapes, and why; an edit is refused with the same reason."""
    async with on_files({"a.py": content, **rules}) as opened:
        shown = await opened.tools.read({"path": "a.py"})
        assert reason in shown
        assert "\tvalue = 1" in shown
        assert (
            await opened.tools.search({"query": "^value = 1"})
            == f"a.py:2:{content.split(chr(10).encode())[1].decode('ascii', 'backslashreplace')}"
        )
        with pytest.raises(ValueError, match="it can be read, not edited") as refused:
            await opened.tools.edit({"path": "a.py", "old_str": "value = 1", "new_str": "value = 2"})
        assert reason in str(refused.value)
        assert await opened.paths() == []


async def test_bytes_that_no_codec_gives_back_are_kept(on_files) -> None:
    """Two codes of one Japanese character: the line that has the rarer one stays as it is stored."""
    rare = JAPANESE.encode("cp932") + b"# \xfa\x54\nvalue = 2\n"
    assert rare.decode("cp932").encode("cp932") != rare
    async with on_files({"a.py": b"# coding: cp932\n" + rare}) as opened:
        await opened.tools.edit({"path": "a.py", "old_str": "value = 2", "new_str": "value = 3"})
        assert opened.tree.read("a.py") == b"# coding: cp932\n" + rare.replace(b"= 2", b"= 3")


async def test_a_new_declaration_would_belie_the_bytes(on_files) -> None:
    """The cookie of a file that is not all ASCII cannot be edited; of one that is, it can."""
    async with on_files({"a.py": cookie(LATIN, FRENCH), "b.py": cookie(LATIN, "value = 1\n")}) as opened:
        edit = {"old_str": "coding: latin-1", "new_str": "coding: utf-8"}
        with pytest.raises(ValueError, match="while its bytes stay iso8859-1"):
            await opened.tools.edit({"path": "a.py", **edit})
        await opened.tools.edit({"path": "b.py", **edit})
        assert await opened.paths() == ["b.py"]


@pytest.mark.parametrize(
    ("rules", "text", "stored"),
    [
        ({}, FRENCH, FRENCH.encode()),
        ({}, f"# coding: latin-1\n{FRENCH}", f"# coding: latin-1\n{FRENCH}".encode(LATIN)),
        (config("latin1"), FRENCH, FRENCH.encode(LATIN)),
        (config("utf-8-bom"), FRENCH, codecs.BOM_UTF8 + FRENCH.encode()),
        (config("utf-16le"), FRENCH, codecs.BOM_UTF16_LE + FRENCH.encode("utf-16-le")),
        (attributes("UTF-16"), FRENCH, FRENCH.encode()),
    ],
)
async def test_a_new_file_is_written_as_it_is_declared(on_files, rules, text: str, stored: bytes) -> None:
    """By its own cookie, EditorConfig, and attributes, under which git stores UTF-8."""
    async with on_files({"old.txt": b"x\n", **rules}) as opened:
        await opened.tools.create({"path": "new.py", "content": text})
        assert opened.tree.read("new.py") == stored
