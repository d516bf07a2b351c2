"""Secrets are sealed under keys that are derived from SECRET_KEY."""

import pytest

from debtreg import secrets

FORMER = "the key of last year, which was as long as a key has to be"


def test_a_secret_comes_back_and_its_sealed_text_does_not_show_it():
    sealed = secrets.seal("a token ü")

    assert "token" not in sealed
    assert secrets.unseal(sealed) == "a token ü"
    assert secrets.seal("a token ü") != sealed


def test_no_secret_stays_no_secret():
    assert secrets.unseal(secrets.seal("")) == secrets.seal("") == ""


def test_what_a_former_key_has_sealed_opens_as_long_as_that_key_is_known(settings):
    present = settings.SECRET_KEY
    settings.SECRET_KEY = FORMER
    sealed = secrets.seal("a token")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = present, [FORMER]
    assert secrets.unseal(sealed) == "a token"

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(secrets.SecretLost, match="SECRET_KEY has changed") as refused:
        secrets.unseal(sealed)
    assert "SECRET_KEY_FALLBACKS" in refused.value.hint


@pytest.mark.parametrize("text", ["not a sealed text", "gAAAAA", "ü"])
def test_a_text_that_was_never_sealed_is_refused(text):
    with pytest.raises(secrets.SecretLost):
        secrets.unseal(text)
