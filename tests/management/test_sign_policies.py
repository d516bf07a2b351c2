"""sign_policies: signatures after a change of SECRET_KEY."""

import pytest
from django.core.management import CommandError, call_command

from debtreg import versions
from debtreg.models import AuditEntry, Channel
from tests.factories import ScoringPolicyFactory, tamper

NEW_KEY = "another key, long enough to be taken for one that somebody made up"


def test_what_an_older_key_has_signed_is_signed_anew_without_a_question(db, settings, capsys):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_KEY, [settings.SECRET_KEY]
    call_command("sign_policies")
    said = capsys.readouterr().out
    assert "Version 1: signed with the present SECRET_KEY." in said
    assert "The signature of every version fits." in said
    settings.SECRET_KEY_FALLBACKS = []
    assert versions.in_force().version == 1
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.channel) == ("policy.sign", Channel.COMMAND)


def test_what_is_refused_is_shown_and_signed_only_by_name(db, capsys):
    ScoringPolicyFactory()
    tamper(2, threshold=2.75)
    with pytest.raises(CommandError, match="1 of 2 versions are refused") as found:
        call_command("sign_policies")
    assert found.value.returncode == 1
    assert "manage.py sign_policies 2" in str(found.value)
    said = capsys.readouterr().out
    assert "Version 2 of the scoring policy is refused" in said
    assert "threshold: 2.75 (by default 3.0)" in said
    assert versions.in_force().version == 1

    call_command("sign_policies", "2")
    assert "Version 2: signed as it stands." in capsys.readouterr().out
    assert versions.in_force().threshold == 2.75


@pytest.mark.parametrize(
    ("version", "says"), [("9", "There is no version 9"), ("1", "threshold is refused")]
)
def test_what_cannot_be_signed_is_said_and_nothing_is_signed(db, version, says):
    tamper(1, threshold=-1)
    with pytest.raises(CommandError, match=says) as found:
        call_command("sign_policies", version)
    assert found.value.returncode == 2
