"""What templates ask about the request and the user."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import template
from django.conf import settings
from django.template import loader
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

from debtreg.actions import rights
from debtreg.web import tour
from debtreg.web.help import TERMS

register = template.Library()

# What a person may choose, kept in a cookie of that name. "" follows the system.
PREFERENCES = {
    "theme": ("", "light", "dark"),
    "density": ("", "compact"),
    settings.LANGUAGE_COOKIE_NAME: ("", *dict(settings.LANGUAGES)),
}


@register.simple_tag(takes_context=True)
def current(context: Context, *names: str) -> SafeString:
    """`aria-current` for a link of the menu, on pages whose name starts with one of these."""
    match = getattr(context.get("request"), "resolver_match", None)
    if match and (match.url_name or "").startswith(names):
        return mark_safe(' aria-current="page"')
    return SafeString("")


@register.simple_tag(takes_context=True)
def preference(context: Context, name: str) -> str:
    """What the person has chosen; the first choice if nothing, or nothing that exists."""
    request = context.get("request")
    chosen = request.COOKIES.get(name, "") if request else ""
    return chosen if chosen in PREFERENCES[name] else PREFERENCES[name][0]


@register.simple_tag(takes_context=True)
def may(context: Context, verb: str, obj: Any = None) -> bool:
    """`{% may "debt.decide" item as decides %}`"""
    return rights.may(context["request"].user, verb, obj)


@register.simple_tag(takes_context=True)
def term(context: Context, anchor: str) -> SafeString:
    """`{% term "roi" %}`: a "?" beside a word, which explains it; see web.help.TERMS."""
    # The same word may be explained twice on a page, each time under an id of its own.
    seen = vars(context["request"]).setdefault("terms_explained", Counter())
    seen[anchor] += 1
    number = "" if seen[anchor] == 1 else f"-{seen[anchor]}"
    shown = {"term": TERMS[anchor], "anchor": anchor, "id": f"term-{anchor}{number}"}
    # Without the end of its last line, which would be a space before what follows the mark.
    return SafeString(loader.render_to_string("parts/_term.html", shown).strip())


@register.simple_tag(takes_context=True)
def tour_step(context: Context) -> dict[str, Any] | None:
    """The step of the tour that the page is asked to show; see web.tour."""
    return tour.step(context["request"]) if "request" in context else None


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """`{{ counts|lookup:team.pk }}`: None where the key is missing."""
    return mapping.get(key) if hasattr(mapping, "get") else None
