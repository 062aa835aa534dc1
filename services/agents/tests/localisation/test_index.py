"""Finding the files that an issue is about."""

from __future__ import annotations

import pytest

from miyabi_agents.localisation import CodeIndex

FILES = {
    "shop/forms/models.py": "class ModelChoiceField:\n    def to_python(self, value):\n        raise ValidationError\n",
    "shop/forms/__init__.py": "",
    "shop/http/cookies.py": "def parse_cookie(header):\n    return header.split(';')\n",
    "shop/db/query.py": "class QuerySet:\n    def bulk_update(self, rows):\n        return len(rows)\n",
    "tests/test_cookies.py": "from shop.http.cookies import parse_cookie\n\n\ndef test_parse_cookie():\n    pass\n",
    "broken.py": "def (:\n",
    "data.bin": "parse_cookie parse_cookie parse_cookie",
}


def index_of(files: dict[str, str]) -> CodeIndex:
    """Index files."""
    return CodeIndex.build(files, lambda path: files[path].encode())


def ranked(files: dict[str, str], text: str) -> list[str]:
    """Return the paths of a ranking."""
    return [candidate.path for candidate in index_of(files).rank(text)]


@pytest.fixture(scope="module")
def index() -> CodeIndex:
    """Index the files."""
    return index_of(FILES)


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("Crash in shop/db/query.py", "shop/db/query.py", "named by path"),
        ("Crash\nsee shop/db/query.py:12.", "shop/db/query.py", "named by path"),
        ("Crash\nsee shop\\db\\query.py", "shop/db/query.py", "named by path"),
        (
            'x\nFile "/usr/lib/site-packages/shop/http/cookies.py", line 2, in f',
            "shop/http/cookies.py",
            "in a stack trace",
        ),
        ("x\nshop/http/cookies.py:2: in f", "shop/http/cookies.py", "in a stack trace"),
        ("shop.forms.models.ModelChoiceField ignores values", "shop/forms/models.py", "named as a module"),
        ("It fails\nfrom shop.db.query import x", "shop/db/query.py", "named as a module"),
        ("`bulk_update` returns nothing", "shop/db/query.py", "defines bulk_update"),
        ("QuerySet.bulk_update returns nothing", "shop/db/query.py", "defines QuerySet.bulk_update"),
        ("validation of the model choice field", "shop/forms/models.py", "words in common"),
        ("cookies get lost", "shop/http/cookies.py", "its name is in the title"),
        ("parse fails", "shop/http/cookies.py", "its tests fit"),
    ],
)
def test_the_best_file_comes_first_with_its_reason(index: CodeIndex, text: str, path: str, reason: str) -> None:
    """Paths, traces, modules, symbols, members, mere words, titles and tests lead to the file."""
    best = index.rank(text)[0]
    assert (path, True) == (best.path, reason in best.reasons)


def test_sources_come_before_their_tests(index: CodeIndex) -> None:
    """A test that shares more words ranks below what it tests; what is no code is not there."""
    found = [candidate.path for candidate in index.rank("parse_cookie parses a cookie wrongly")]
    assert found.index("shop/http/cookies.py") < found.index("tests/test_cookies.py")
    assert "data.bin" not in found


def test_nothing_in_common_finds_nothing(index: CodeIndex) -> None:
    """Words that occur nowhere lead nowhere."""
    assert index.rank("zyx wvu") == []


@pytest.mark.parametrize("files", [{}, {"a.bin": "x"}, {"a.py": ""}, {"tests/test_a.py": "def test_a(): pass"}])
def test_a_commit_with_hardly_any_source_is_ranked_too(files: dict[str, str]) -> None:
    """No source, an empty one, tests alone: there is an answer, of files that are there."""
    assert set(ranked(files, "a fails\nsee a.py")) <= set(files)


def test_a_bare_file_name_of_the_reporters_own_project_decides_nothing() -> None:
    """Many files are called `models.py`: the words of the issue count more than that name."""
    files = {f"app{number}/models.py": "class Thing: pass\n" for number in range(8)}
    files["core/serializer.py"] = "def serialize_nested_class(value):\n    return value.__qualname__\n"
    assert ranked(files, "serialize nested class\nPut this into models.py and run it.")[0] == "core/serializer.py"


def test_a_name_that_everybody_defines_counts_less_than_a_rare_one() -> None:
    """Of two names in the text, the one that one file alone defines leads."""
    files = {f"a{number}.py": "def get_value(x): pass\n" for number in range(3)}
    files["rare.py"] = "def fold_ranges(x): pass\n"
    assert ranked(files, "Wrong\nget_value after fold_ranges")[0] == "rare.py"


def test_the_last_frame_inside_the_repository_counts_most() -> None:
    """What was called last is likelier than what called it; frames of other code lead nowhere."""
    files = {"pkg/one.py": "def go(): pass\n", "pkg/two.py": "def go(): pass\n"}
    lines = ['File "/x/pkg/one.py", line 1', 'File "/x/pkg/two.py", line 1', 'File "/usr/lib/python3/other.py", line 1']
    assert ranked(files, "Boom\n" + "\n".join(lines)) == ["pkg/two.py", "pkg/one.py"]


@pytest.mark.parametrize(
    ("paths", "tests"),
    [
        ({"django/test/client.py", "django/test/runner.py"}, set()),
        ({"lib/test/test_a.py", "lib/test/common.py"}, {"lib/test/test_a.py", "lib/test/common.py"}),
        ({"test/helper.py"}, {"test/helper.py"}),
        ({"testing/python/raises.py"}, {"testing/python/raises.py"}),
        ({"numpy/testing/utils.py"}, set()),
        ({"pkg/tests/data.py", "pkg/data.py"}, {"pkg/tests/data.py"}),
        ({"src/a.test.ts", "src/a.ts", "src/__tests__/b.ts"}, {"src/a.test.ts", "src/__tests__/b.ts"}),
        ({"a_test.go", "a.go", "latest.go"}, {"a_test.go"}),
    ],
)
def test_tests_are_told_from_a_products_own_folder_of_that_name(paths: set[str], tests: set[str]) -> None:
    """`django/test` is the product; a folder of files that are named like tests is not."""
    from miyabi_agents.localisation.ranking.sides import tests_among

    assert tests == tests_among(paths)


def test_a_test_that_is_named_by_its_path_is_found() -> None:
    """An issue may be about a test."""
    assert "tests/test_cookies.py" in ranked(FILES, "flaky\ntests/test_cookies.py fails at night")


def test_what_a_likely_file_imports_becomes_likelier() -> None:
    """Of two files that share nothing with the text, the imported one comes before."""
    files = {
        "pkg/render.py": "from pkg.backend import draw\ndef render_table(rows): pass\n",
        "pkg/backend.py": "def draw(): pass\n",
        "pkg/other.py": "def draw_not(): pass\n",
    }
    assert ranked(files, "render table misses rows") == ["pkg/render.py", "pkg/backend.py"]
