from django.apps import AppConfig


class DebtregConfig(AppConfig):
    name = "debtreg"
    label = "debtreg"
    verbose_name = "Debt registry"

    def ready(self) -> None:
        # Connects its checks and its signals.
        from debtreg import checks, tracing  # noqa: F401
