"""A map of a commit: within its room, the same on every machine, and kept on disk only while it is whole."""

from __future__ import annotations

from miyabi_agents.localisation import CodeIndex
from miyabi_agents.localisation.keeping.store import IndexStore
from miyabi_agents.localisation.overview import FILE_BYTES, FOLDER_BYTES, TEST_BYTES

FILES = {
    "shop/money.py": b"class Money:\n    def add(self): pass\n\n\ndef parse(text): pass\n",
    "shop/cart.py": b"from shop.money import Money\n\n\nclass Cart: pass\n",
    "tests/test_cart.py": b"from shop.cart import Cart\n",
}
KEY = ("acme/shop", "0" * 40)


def overview(files) -> str:
    """Return the map of some files."""
    return CodeIndex.build(files, files.__getitem__).overview


def test_it_shows_folders_and_what_files_define() -> None:
    """Names at the top of a file, no members; tests by their folders."""
    assert overview(FILES).split("\n") == [
        "Folders of sources, with how many files each has:",
        "shop: 2",
        "",
        "Folders of tests, likewise:",
        "tests: 1",
        "",
        "Sources that others import most, with what they define:",
        "shop/cart.py: Cart",
        "shop/money.py: Money, parse",
    ]


def test_the_order_of_reading_changes_nothing() -> None:
    """It depends on what the commit holds alone."""
    assert overview(dict(reversed(FILES.items()))) == overview(FILES)


def test_what_there_is_no_room_for_is_counted() -> None:
    """Of a large repository, the files that others import stay."""
    many = {f"shop/part_{number}/module_{number}.py": b"def work(): pass\n" for number in range(2_000)}
    text = overview({**FILES, **many})
    assert len(text.encode()) < FOLDER_BYTES + TEST_BYTES + FILE_BYTES + 500
    assert "shop/money.py: Money, parse" in text
    assert "more folders left out" in text
    assert "more files left out" in text


def test_a_map_is_kept_for_other_agents(tmp_path) -> None:
    """By repository and commit; one that was damaged is as good as none, and no folder keeps nothing."""
    store = IndexStore(tmp_path, 1 << 20)
    assert store.load_overview(KEY) is None
    store.save_overview(KEY, "shop: 2\n")
    assert IndexStore(tmp_path, 1 << 20).load_overview(KEY) == "shop: 2\n"
    assert store.load_overview(("acme/shop", "1" * 40)) is None
    (path,) = tmp_path.glob("*.map")
    path.write_bytes(path.read_bytes()[:-2])
    assert store.load_overview(KEY) is None
    nowhere = IndexStore(None, 0)
    nowhere.save_overview(KEY, "x")
    assert (nowhere.load_overview(KEY), store.notes) == (None, [])


def test_no_map_is_kept_where_none_may_take_any_room(tmp_path) -> None:
    """`MIYABI_AGENTS_INDEX_BYTES=0` means no file at all."""
    IndexStore(tmp_path, 0).save_overview(KEY, "shop: 2\n")
    assert list(tmp_path.iterdir()) == []
