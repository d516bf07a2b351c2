"""debtreg: a technical-debt registry that prices debt and promotes what pays."""

from debtreg.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
