"""What every store must do, shown on a folder and on a real S3 server."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medseg.errors import NotFoundError, StorageError
from medseg.storage import Store, open_store

NAME = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/"), min_size=1, max_size=20)
KEY = st.lists(NAME.filter(lambda name: name not in (".", "..") and name.isprintable()), min_size=1, max_size=3)
FEW = settings(  # each example gets a deeper store of its own, so the shared fixture and the two subclasses do no harm
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class StoreContract:
    """Subclasses give the fixture ``root_uri``."""

    @pytest.fixture
    def store(self, root_uri: str) -> Store:
        return open_store(f"{root_uri}/{secrets.token_hex(4)}")

    def test_what_is_put_comes_back(self, store: Store, tmp_path: Path) -> None:
        store.put_bytes("a/b.txt", b"hello")
        store.get_file("a/b.txt", tmp_path / "new" / "b.txt")
        store.put_file(tmp_path / "new" / "b.txt", "c.txt")
        assert store.get_bytes("a/b.txt") == store.get_bytes("c.txt") == b"hello"
        assert store.exists("c.txt")
        assert not store.exists("a")

    @FEW
    @given(key=KEY, data=st.binary(max_size=200))
    def test_any_name_and_content_round_trips(self, store: Store, key: list[str], data: bytes) -> None:
        deeper = open_store(f"{store.uri}/{secrets.token_hex(4)}")
        deeper.put_bytes("/".join(key), data)
        assert deeper.get_bytes("/".join(key)) == data
        assert [item.key for item in deeper.list()] == ["/".join(key)]

    def test_an_object_of_many_parts_is_whole(self, store: Store, tmp_path: Path) -> None:
        data = secrets.token_bytes(20 * 2**20 + 7)
        (tmp_path / "large").write_bytes(data)
        store.put_file(tmp_path / "large", "large")
        store.get_file("large", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == data
        assert store.read_range("large", 10 * 2**20, 1000) == data[10 * 2**20 :][:1000]

    def test_a_copy_stays_when_the_first_goes_or_changes(self, store: Store) -> None:
        store.put_bytes("a/one", b"first")
        store.copy("a/one", "b/two")
        store.copy("a/one", "b/two")
        store.put_bytes("a/one", b"changed")
        store.delete("a/one")
        assert store.get_bytes("b/two") == b"first"
        assert [item.key for item in store.list()] == ["b/two"]
        with pytest.raises(NotFoundError):
            store.copy("a/one", "c")

    def test_a_range_ends_where_the_object_ends(self, store: Store) -> None:
        store.put_bytes("digits", b"0123456789")
        assert store.read_range("digits", 3, 4) == b"3456"
        assert store.read_range("digits", 8, 100) == b"89"
        assert store.read_range("digits", 100, 5) == b""
        assert store.read_range("digits", 3, 0) == b""

    def test_list_is_sorted_recursive_and_starts_with_the_prefix(self, store: Store) -> None:
        for key in ("b", "a/2", "a/10", "ab/1"):
            store.put_bytes(key, key.encode())
        assert [item.key for item in store.list()] == ["a/10", "a/2", "ab/1", "b"]
        assert [item.key for item in store.list("a")] == ["a/10", "a/2", "ab/1"]
        assert [(item.key, item.size) for item in store.list("a/1")] == [("a/10", 4)]
        assert store.list("nothing/here") == []

    def test_a_deeper_uri_is_a_deeper_root(self, store: Store) -> None:
        store.put_bytes("runs/1/status.json", b"{}")
        assert [item.key for item in open_store(f"{store.uri}/runs/").list()] == ["1/status.json"]

    def test_overwriting_changes_content_and_tag(self, store: Store) -> None:
        store.put_bytes("status", b"running")
        before = store.list("status")[0]
        store.put_bytes("status", b"succeeded")
        assert store.get_bytes("status") == b"succeeded"
        assert store.list("status")[0].etag != before.etag

    def test_deleting_twice_is_no_error(self, store: Store) -> None:
        store.put_bytes("a/b", b"")
        store.delete("a/b")
        store.delete("a/b")
        assert store.list() == []

    def test_a_missing_object_is_named(self, store: Store, tmp_path: Path) -> None:
        for call in (
            store.get_bytes,
            lambda key: store.get_file(key, tmp_path / "x"),
            lambda k: store.read_range(k, 0, 1),
        ):
            with pytest.raises(NotFoundError, match=r"no/such"):
                call("no/such")
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_upload_is_named(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="absent"):
            store.put_file(tmp_path / "absent", "key")

    @pytest.mark.parametrize("key", ["../out", "/etc/passwd", "a//b", "a/", "", "a/./b", "line\nbreak"])
    def test_a_key_that_leaves_the_store_is_refused(self, store: Store, key: str) -> None:
        with pytest.raises(StorageError, match="bad key"):
            store.put_bytes(key, b"")

    def test_many_small_files_go_up_and_down(self, store: Store, tmp_path: Path) -> None:
        names = [f"{i % 3}/{i}" for i in range(200)]
        _write(tmp_path / "up", {name: name for name in names})
        store.put_folder(tmp_path / "up", "set")
        store.get_folder("set", tmp_path / "down")
        assert {name: (tmp_path / "down" / name).read_text() for name in names} == {name: name for name in names}

    def test_only_what_is_absent_or_of_another_size_is_fetched(self, store: Store, tmp_path: Path) -> None:
        _write(tmp_path / "up", {"same": "new", "longer": "new", "absent": "new"})
        store.put_folder(tmp_path / "up", "set")
        _write(tmp_path / "down", {"same": "old", "longer": "older"})
        store.get_folder("set", tmp_path / "down")
        assert [(tmp_path / "down" / name).read_text() for name in ("same", "longer", "absent")] == [
            "old",
            "new",
            "new",
        ]

    def test_the_marker_goes_last_so_a_failed_upload_leaves_none(self, store: Store, tmp_path: Path) -> None:
        _write(tmp_path, {"a": "x", "done.json": "x"})
        store.put_folder(tmp_path, "set", marker="done.json")
        assert [item.key for item in store.list()] == ["set/a", "set/done.json"]
        _write(tmp_path, {"z\nbad": "x"})
        with pytest.raises(StorageError, match="bad key"):
            store.put_folder(tmp_path, "set", marker="done.json")
        assert not store.exists("set/done.json")

    def test_a_marker_must_be_in_the_folder(self, store: Store, tmp_path: Path) -> None:
        _write(tmp_path, {"a": "x"})
        with pytest.raises(StorageError, match=r"done\.json"):
            store.put_folder(tmp_path, "set", marker="done.json")
        assert store.list() == []

    def test_readers_of_an_object_that_is_replaced_see_old_or_new(self, store: Store) -> None:
        written = threading.Event()

        def write() -> None:
            for i in range(30):
                store.put_bytes("status.json", bytes([i]) * (1000 + i))
            written.set()

        store.put_bytes("status.json", b"x" * 1000)
        writer = threading.Thread(target=write)
        writer.start()
        seen = []
        while not written.is_set():
            seen.append(store.get_bytes("status.json"))
        writer.join()
        assert all(len(set(data)) == 1 and len(data) >= 1000 for data in seen)


class TestLocalStore(StoreContract):
    @pytest.fixture
    def root_uri(self, tmp_path_factory: pytest.TempPathFactory) -> str:
        return str(tmp_path_factory.mktemp("store"))


class TestS3Store(StoreContract):
    @pytest.fixture
    def root_uri(self, s3_uri: str) -> str:
        return s3_uri


def test_a_file_uri_is_a_folder(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}").put_bytes("a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert open_store(str(tmp_path)).local_path("a") == tmp_path / "a"


def test_another_scheme_is_refused_with_the_choices() -> None:
    with pytest.raises(StorageError, match=r"gs.*s3://bucket/prefix, or a folder"):
        open_store("gs://bucket")


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
