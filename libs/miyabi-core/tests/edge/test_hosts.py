"""What a request may call us."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi_core.edge import Authority, BadHostError, ServedHosts, names_of, parse_authority, parse_origin
from miyabi_core.errors import FailedPreconditionError

LOOPBACK, ANYWHERE = (
    ServedHosts("127.0.0.1:1"),
    ServedHosts("0.0.0.0:1", ["github-gateway", "*.svc", "Miyabi.Example."]),
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", None), ("LOCALHOST:3001", "localhost", 3001), ("localhost.:80", "localhost", 80),
        ("127.0.0.1", "127.0.0.1", None), ("127.0.0.1:", "127.0.0.1", None), ("127.0.0.1.:8", "127.0.0.1", 8),
        ("[::1]", "::1", None), ("[::1]:3001", "::1", 3001), ("[0:0:0:0:0:0:0:1]:1", "::1", 1),
        ("[::FFFF:127.0.0.1]", "127.0.0.1", None), ("a-b_c.Example.org:65535", "a-b_c.example.org", 65535),
    ],
)  # fmt: skip
def test_hosts_are_read_in_their_usual_form(text: str, host: str, port: int | None) -> None:
    """Case, a dot at the end, brackets and long forms of an address make no difference."""
    assert Authority(host, port) == parse_authority(text)


@pytest.mark.parametrize(
    "text",
    [
        "", ":80", ".", "a..b", "-a", "a-", "a b", "a\tb", "a/b", "a@b", "user@localhost", "localhost,localhost", "é.example",
        "127.1", "2130706433", "0x7f000001", "0x7f.1", "127.0.0.01", "1.2.3.4.5", "example.123", "[::1", "::1", "[::1]x", "[::1%lo]",
        "[127.0.0.1]", "[]", "localhost:x", "localhost:-1", "localhost:65536", "localhost:123456", "localhost:8:8", "a" * 64,
        "a." * 200 + "a", "localhost..", "http://localhost", "localhost\0", "*.example.org",
    ],
)  # fmt: skip
def test_what_names_no_host_is_refused(text: str) -> None:
    """Other forms are no host: browsers send none of them."""
    with pytest.raises(BadHostError):
        parse_authority(text)


@pytest.mark.parametrize(
    ("served", "text", "is_ours"),
    [
        (LOOPBACK, "localhost:1", True), (LOOPBACK, "127.0.0.1", True), (LOOPBACK, "[::1]:9", True), (LOOPBACK, "127.9.9.9", True),
        (LOOPBACK, "evil.example", False), (LOOPBACK, "localhost.evil.example", False), (LOOPBACK, "127.0.0.1.evil.example", False),
        (LOOPBACK, "0.0.0.0", False), (LOOPBACK, "10.0.0.5", False), (LOOPBACK, "[::]", False), (LOOPBACK, "github-gateway", False),
        (ANYWHERE, "10.1.2.3:50063", True), (ANYWHERE, "[fd00::7]", True), (ANYWHERE, "localhost", True), (ANYWHERE, "224.0.0.1", False),
        (ANYWHERE, "github-gateway:50063", True), (ANYWHERE, "github-gateway.miyabi.svc", True), (ANYWHERE, "svc", False),
        (ANYWHERE, "evilsvc", False), (ANYWHERE, "miyabi.example", True), (ANYWHERE, "MIYABI.example.:443", True),
        (ANYWHERE, "x.miyabi.example", False), (ANYWHERE, "evil.example", False),
        (ServedHosts("page.intra:80"), "page.intra", True), (ServedHosts("page.intra:80"), "other.intra", False),
    ],
)  # fmt: skip
def test_names_have_to_be_configured(served: ServedHosts, text: str, is_ours: bool) -> None:
    """A name that points here is not ours by that; addresses are, where we listen beyond loopback."""
    assert is_ours == (parse_authority(text) in served)


@pytest.mark.parametrize("name", ["", "http://x", "x:80", "*", "*.", "x.*.y", "a b"])
def test_configured_name_has_to_be_one(name: str) -> None:
    """A setting that could not match is refused at the start, not found out by those who are refused."""
    with pytest.raises(FailedPreconditionError):
        ServedHosts("0.0.0.0:1", [name])


def test_setting_is_a_list() -> None:
    """Commas separate; what is empty counts for nothing."""
    assert names_of(" a , b.example,,") == ("a", "b.example")


@pytest.mark.parametrize(
    "text", ["null", "", "file://", "https:/x", "ftp://localhost", "http://", "http://a/b", "http://a b"]
)
def test_what_is_no_origin_of_the_web_is_refused(text: str) -> None:
    """Opaque origins and other schemes are nobody's."""
    with pytest.raises(BadHostError):
        parse_origin(text)


@given(
    st.text(alphabet=st.characters(max_codepoint=0x2FF)) | st.from_regex(r"\[?[0-9a-fx:.\]%*@-]{0,40}(:[0-9]{0,6})?")
)
def test_reading_ends_in_one_error(text: str) -> None:
    """Whatever a header holds, it is a host, which reads the same when it is written, or the one error."""
    try:
        found = parse_authority(text)
    except BadHostError:
        return
    written = f"[{found.host}]" if ":" in found.host else found.host
    assert parse_authority(written) == Authority(found.host)
