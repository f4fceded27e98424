"""The installation's secret: made once, kept private, and the only thing that reads what it encrypted."""

import stat
import threading
from pathlib import Path

import pytest

from service.keyring import Keyring, WrongKey


def test_a_key_file_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = Keyring.load(folder, None)
    file = folder / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Keyring.load(folder, None).decrypt(first.encrypt(b"hello")) == b"hello"
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(Keyring.load(tmp_path, None).derive("x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_given_key_needs_no_file(tmp_path: Path) -> None:
    keyring = Keyring.load(tmp_path / "nowhere", "a setting of enough length")
    assert keyring.decrypt(keyring.encrypt(b"hello")) == b"hello"
    assert not (tmp_path / "nowhere").exists()


def test_purposes_have_keys_of_their_own_that_stay_the_same() -> None:
    keyring = Keyring(b"some master key")
    assert len(keyring.derive("masks")) == 32
    assert keyring.derive("masks") == Keyring(b"some master key").derive("masks")
    assert len({keyring.derive("masks"), keyring.derive("cookies"), Keyring(b"other").derive("masks")}) == 3


def test_what_another_key_encrypted_is_refused_with_a_way_out() -> None:
    for token in ("", "nonsense", Keyring(b"another master key").encrypt(b"x")):
        with pytest.raises(WrongKey, match="restore the key"):
            Keyring(b"this master key").decrypt(token)


def test_a_key_that_is_no_secret_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="token_urlsafe") as refused:
        Keyring.load(tmp_path, "hunter2")
    assert "hunter2" not in str(refused.value)
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(ValueError, match=r"secret\.key is shorter"):
        Keyring.load(tmp_path, None)
