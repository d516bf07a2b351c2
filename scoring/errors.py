"""What goes wrong in scoring: a number that cannot be used, said so that a person can find it."""

from collections.abc import Iterable


class ScoringError(ValueError):
    """A value that scoring refuses.

    Parameters
    ----------
    column : name of the column, or path of the field ("impacts[0].share")
    problem : what is wrong, as the end of a sentence ("is 1.5")
    rows : row labels, first ones first; empty for a single value
    bound : what is allowed ("0..1"), empty where no bound was passed

    Examples
    --------
    >>> str(ScoringError("share_low", "is 1.5", rows=[7], bound="0..1"))
    'share_low is 1.5 in row 7; allowed is 0..1.'
    """

    SHOWN_ROWS = 5

    def __init__(
        self, column: str, problem: str, *, rows: Iterable[object] = (), bound: str = ""
    ) -> None:
        self.column = column
        self.problem = problem
        self.rows = tuple(rows)
        self.bound = bound
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        text = f"{self.column} {self.problem}"
        if self.rows:
            shown = ", ".join(str(row) for row in self.rows[: self.SHOWN_ROWS])
            more = len(self.rows) - self.SHOWN_ROWS
            text += f" in row{'s' if len(self.rows) > 1 else ''} {shown}"
            text += f" and {more} more" if more > 0 else ""
        if self.bound:
            text += f"; allowed is {self.bound}"
        return text + "."
