"""Which item comes before which: reachability over prerequisites, whole portfolios at a time."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from .columns import PREREQUISITE_COLUMNS, check_columns

_Bools = NDArray[np.bool_]
_Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Prerequisites:
    """Edges between items, as positions in their frame: `item` needs `needs` first."""

    item: _Rows
    needs: _Rows
    count: int

    @classmethod
    def of(cls, prerequisites: pd.DataFrame | None, item_ids: pd.Series) -> Self:
        """Take the edges between these items; others are done or closed and hold up nobody."""
        if prerequisites is None or not len(prerequisites):
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, len(item_ids))
        check_columns(prerequisites, *PREREQUISITE_COLUMNS)
        keys = pd.Index(item_ids)
        item = keys.get_indexer(prerequisites["item_id"].to_numpy())
        needs = keys.get_indexer(prerequisites["needs_id"].to_numpy())
        known = (item >= 0) & (needs >= 0) & (item != needs)
        edges = np.unique(np.column_stack([item[known], needs[known]]), axis=0)
        return cls(edges[:, 0], edges[:, 1], len(item_ids))

    def of_items(self, items: _Bools) -> Self:
        """Keep what these items need, and drop what others need."""
        kept = items[self.item]
        return type(self)(self.item[kept], self.needs[kept], self.count)

    def without_circles(self) -> Self:
        """Drop the edges inside circles, where each item comes before the other."""
        label = self._labels()
        across = label[self.item] != label[self.needs]
        return type(self)(self.item[across], self.needs[across], self.count)

    def circles(self) -> list[_Rows]:
        """List the items that need each other, directly or through others."""
        label = self._labels()
        inside = label[self.item] == label[self.needs]
        items = np.unique(self.item[inside])
        return [items[label[items] == circle] for circle in np.unique(label[items])]

    def _labels(self) -> _Rows:
        """Give items that need each other the same label, and different ones to all others."""
        if not len(self.item):
            return np.zeros(self.count, dtype=np.int64)
        graph = sparse.csr_array(
            (np.ones(len(self.item)), (self.item, self.needs)), shape=(self.count, self.count)
        )
        label = csgraph.connected_components(graph, directed=True, connection="strong")[1]
        return label.astype(np.int64)

    def held_up(self, available: _Bools) -> _Bools:
        """Find the items that need, directly or through others, one that is not available."""
        held = np.zeros(self.count, dtype=bool)
        if len(self.item):
            missing = _reached(self.needs, self.item, ~available)
            held[self.item[missing[self.needs]]] = True
        return held

    def needed_by(self, items: _Bools, within: _Bools) -> _Bools:
        """Find what these items need, directly or through others, all of it `within`."""
        inside = within[self.item] & within[self.needs]
        item, needs = self.item[inside], self.needs[inside]
        needed = np.zeros(self.count, dtype=bool)
        if len(item):
            needed[needs[_reached(item, needs, items)[item]]] = True
        return needed

    def first_missing(self, available: _Bools, item_ids: NDArray[np.int64]) -> _Rows:
        """Name for each item the missing prerequisite with the lowest id; -1 for none."""
        none = np.iinfo(np.int64).max
        found = np.full(self.count, none)
        missing = ~available[self.needs]
        np.minimum.at(found, self.item[missing], item_ids[self.needs[missing]])
        return np.where(found == none, -1, found)


def _reached(source: _Rows, target: _Rows, start: _Bools) -> _Bools:
    """Mark all nodes that can be reached from `start` along source -> target, start included."""
    reached = start.copy()
    nodes = np.unique(np.concatenate([source, target]))
    at = np.searchsorted(nodes, source), np.searchsorted(nodes, target)
    roots = np.flatnonzero(start[nodes])
    if not len(roots):
        return reached
    # One search from a node that leads to every start is as good as one search from each.
    root = len(nodes)
    rows = np.concatenate([at[0], np.full(len(roots), root)])
    columns = np.concatenate([at[1], roots])
    graph = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(root + 1, root + 1))
    order = csgraph.breadth_first_order(graph, root, return_predecessors=False)
    reached[nodes[order[order != root]]] = True
    return reached
