"""What views behind a log-in get."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from debtreg.models import User


class PageRequest(HttpRequest):
    """A request of somebody who is logged in, and whether htmx sent it."""

    user: User
    htmx: HtmxDetails
