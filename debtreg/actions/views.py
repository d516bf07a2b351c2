"""Views of the ranking that people keep."""

from __future__ import annotations

from django.db import transaction
from django.http import QueryDict
from django.utils.translation import gettext as _

from debtreg.actions import audit
from debtreg.actions.debt import NotValid
from debtreg.blank import is_blank
from debtreg.errors import Conflict, NotFound
from debtreg.models import SavedView, User


@transaction.atomic
def save(*, name: str, query: str, is_shared: bool, by: User) -> SavedView:
    """Keep a view under a name; what one has kept under the same name is replaced.

    query : of the ranking's address; where a page of it begins is left out

    Raises NotValid for no name or a long one, Conflict for more than 50 views.
    """
    name = " ".join(name.split())
    if is_blank(name) or len(name) > 60:
        raise NotValid(
            _("A view needs a name of up to 60 characters."),
            hint=_("Say what it shows, such as 'Mine without an estimate'."),
            fields={"name": [_("1 to 60 characters.")]},
        )
    asked = QueryDict(query, mutable=True)
    asked.pop("cursor", None)
    query = asked.urlencode()
    if len(query) > 1000:
        raise NotValid(
            _("The address of this view has %(n)s characters; 1,000 can be kept.")
            % {"n": len(query)},
            hint=_("Take away a filter, or shorten the search."),
            fields={"query": [_("At most 1,000 characters.")]},
        )
    # Whoever saves twice at once must not pass the limit twice.
    User.objects.select_for_update().get(pk=by.pk)
    mine = SavedView.objects.filter(user=by)
    there = mine.filter(name=name).first()
    if there is None and mine.count() >= SavedView.MOST:
        raise Conflict(
            _("You have %(most)s views, which is as many as can be kept.")
            % {"most": SavedView.MOST},
            hint=_("Remove one that you no longer need."),
        )
    old = audit.values_of(there) if there else None
    view = there or SavedView(user=by, name=name)
    view.query, view.is_shared = query, is_shared
    view.save()
    audit.record("view.save", view, by=by, old=old, new=audit.values_of(view))
    return view


@transaction.atomic
def remove(*, pk: int, by: User) -> SavedView:
    """Forget a view of one's own; an administrator also removes what others share."""
    view = SavedView.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if view is None or (view.user_id != by.pk and not (view.is_shared and by.is_one_of())):
        raise NotFound(_("You have no such view."), hint=_("Load the ranking again."))
    audit.record("view.remove", view, by=by, old=audit.values_of(view))
    view.delete()
    return view
