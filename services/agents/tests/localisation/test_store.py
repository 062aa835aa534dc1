"""What is known of files is kept on disk: for every agent, within its limit, whatever becomes of it there."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from miyabi_agents.localisation.keeping import pack as packing
from miyabi_agents.localisation.keeping.coding import DamagedError, decode, encode
from miyabi_agents.localisation.keeping.pack import Pack, read_pack
from miyabi_agents.localisation.keeping.reading import read_commit
from miyabi_agents.localisation.keeping.store import IndexStore
from miyabi_agents.localisation.reading.languages import Language
from miyabi_agents.localisation.reading.record import record_of
from miyabi_agents.workspace.commit_files import CommitFiles

TEXT = "import os\nclass A:\n    def run_all(self): return os.sep\n"


class Counting(CommitFiles):
    """Files of a commit that count how often they are read."""

    reads = 0

    def read(self, path: str) -> bytes | None:
        """Read and count."""
        self.reads += 1
        return super().read(path)


def commit(folder: Path, **files: str) -> str:
    """Write files and commit them; returns the commit."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip()


def read(folder: Path, sha: str, store: IndexStore) -> tuple[set[str], int]:
    """Read a commit; returns the paths that are known, and how many files were read for it."""
    with closing(Counting(folder / ".git", sha)) as files:
        return set(read_commit(files, "acme/toy", store)), files.reads


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a folder for a repository."""
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy"


def test_a_commit_is_read_as_far_as_it_differs(repository: Path, tmp_path: Path) -> None:
    """Another agent reads nothing again; a commit that changes one file has that one read; the base before stays."""
    first = commit(repository, a=TEXT, b="x = 1\n")
    second = commit(repository, a=TEXT + "y = 1\n")
    stores = [IndexStore(tmp_path / "kept", 1 << 20) for _ in range(4)]
    counts = [read(repository, sha, store)[1] for sha, store in zip([first, first, second, first], stores, strict=True)]
    assert counts == [2, 0, 1, 0]
    assert [store.notes for store in stores] == [[]] * 4


def test_agents_that_ask_at_once_read_a_repository_once(repository: Path, tmp_path: Path) -> None:
    """Whoever comes second waits for the first and uses what it kept."""
    sha = commit(repository, a=TEXT, b="x = 1\n", c="z = 1\n")
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: read(repository, sha, IndexStore(tmp_path / "kept", 1 << 20)), range(3)))
    assert sorted(reads for _, reads in found) == [0, 0, 3]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 255
    path.write_bytes(content)


def _newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"miyabi-index 1 ", b"miyabi-index 2 ", 1))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _other(path: Path) -> None:
    path.write_bytes(os.urandom(2000))


def _listed(path: Path) -> None:
    head = b'{"x":[0,-1,0],"y":7}'
    path.write_bytes(b"miyabi-index 1 %d %d\n" % (len(head), packing.zlib.crc32(head)) + head)


@pytest.mark.parametrize("damage", [_cut, _flip, _newer, _empty, _other, _listed])
def test_what_is_damaged_or_of_another_format_is_read_again(damage, repository: Path, tmp_path: Path) -> None:
    """Whatever happens to the file, all is found, and the file is whole again."""
    sha = commit(repository, a=TEXT, b="x = 1\n")
    read(repository, sha, IndexStore(tmp_path / "kept", 1 << 20))
    (path,) = (tmp_path / "kept").glob("*.index")
    damage(path)
    found, reads = read(repository, sha, IndexStore(tmp_path / "kept", 1 << 20))
    assert {"a.py", "b.py"} == found
    assert reads > 0
    assert read(repository, sha, IndexStore(tmp_path / "kept", 1 << 20))[1] == 0


@pytest.mark.parametrize("change", [b"", b"x", b"\0" * 200])
def test_an_entry_that_is_none_is_refused(change: bytes) -> None:
    """Bytes that are no record are an error of one kind."""
    with pytest.raises(DamagedError):
        decode(change)


def test_numbers_that_point_nowhere_are_refused() -> None:
    """A record whose rows name words or parts that are not there is none."""
    record = record_of(TEXT, Language.PYTHON)
    for field, wrong in (("name", record.name + 100), ("part", record.part + 100), ("count", record.count * 0)):
        broken = {**{key: getattr(record, key) for key in record.__dataclass_fields__}, field: wrong}
        with pytest.raises(DamagedError):
            decode(encode(type(record)(**broken)))


def test_a_record_is_read_back_as_it_was() -> None:
    """Nothing is lost on disk."""
    record = record_of(TEXT, Language.PYTHON)
    again = decode(encode(record))
    assert (record.names, record.defined, record.imports) == (again.names, again.defined, again.imports)
    assert [row.tolist() for row in (record.part, record.name, record.count)] == [
        row.tolist() for row in (again.part, again.name, again.count)
    ]


def test_what_was_used_least_recently_gives_way(tmp_path: Path) -> None:
    """All repositories together stay below the limit."""
    one = Pack({str(number): os.urandom(1000) for number in range(10)})
    store = IndexStore(tmp_path, 2 * len(one.content()) + 100)
    for name in ("a/a", "b/b", "c/c"):
        store.save(name, one)
        for path in tmp_path.glob("*.index"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
        store.load("a/a")
    assert [len(store.load(name).entries) for name in ("a/a", "b/b", "c/c")] == [10, 0, 10]


def test_an_index_beyond_the_limit_is_not_kept_and_that_is_said(repository: Path, tmp_path: Path) -> None:
    """Work goes on in memory."""
    store = IndexStore(tmp_path / "kept", 10)
    assert {"a.py"} == read(repository, commit(repository, a=TEXT), store)[0]
    assert list((tmp_path / "kept").glob("*.index")) == []
    assert [note[-22:] for note in store.notes] == ["more than all may take"]


@pytest.mark.parametrize("folder", ["/dev/full/kept", "/proc/kept"])
def test_where_nothing_can_be_written_work_goes_on_in_memory(folder: str, repository: Path) -> None:
    """A folder that cannot be made, or a disk that takes nothing: all is found, and what went wrong is said."""
    store = IndexStore(Path(folder), 1 << 20)
    assert {"a.py"} == read(repository, commit(repository, a=TEXT), store)[0]
    assert any("cannot be locked" in note for note in store.notes)
    assert any("not kept on disk" in note for note in store.notes)


def test_a_file_that_is_no_pack_at_all_is_none(tmp_path: Path) -> None:
    """A folder, or nothing, in its place."""
    (tmp_path / "a.index").mkdir()
    assert (read_pack(tmp_path / "a.index").entries, read_pack(tmp_path / "b.index").entries) == ({}, {})


@pytest.mark.parametrize(
    "content",
    ["# café\ndef caf(): pass\n".encode("latin-1"), "def caf(): pass\n".encode("utf-16"), b"\xef\xbb\xbfdef caf(): pass\n"],
)  # fmt: skip
def test_files_in_other_encodings_are_known(content: bytes, repository: Path) -> None:
    """Names are found whatever encoding a file is in."""
    (repository / "a.py").write_bytes(content)
    sha = commit(repository)
    with closing(CommitFiles(repository / ".git", sha)) as files:
        record = read_commit(files, "acme/toy", IndexStore(None, 0))["a.py"]
    assert record.defined == (("function", "caf"),)
