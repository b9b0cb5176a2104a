"""Circular needs, reported in the words of Ruby's topological sort, which GitLab uses."""

from collections.abc import Iterator, Mapping, Sequence

from homeport.pipeline.document.ruby import inspect_value


def find_cycle(nodes: Mapping[str, Sequence[str]]) -> str | None:
    """What GitLab says of the first cycle in `nodes` (job → what it needs), or None."""
    walk = _Walk(nodes)
    for root in nodes:
        if root not in walk.order:
            found = walk.follow(root)
            if found is not None:
                return found
    return None


class _Walk:
    """Tarjan's algorithm without recursion: a chain of needs may be as long as the file allows."""

    def __init__(self, nodes: Mapping[str, Sequence[str]]) -> None:
        self._nodes = nodes
        self.order: dict[str, int] = {}
        self._lowest: dict[str, int] = {}
        self._done: set[str] = set()
        self._open: list[str] = []
        self._path: list[tuple[str, Iterator[str]]] = []

    def follow(self, root: str) -> str | None:
        """Visit all that `root` reaches; what is wrong with it, if anything."""
        node: str | None = root
        while True:
            if node is not None:
                if node in self._nodes.get(node, ()):
                    return f"self-dependency: {node}"
                self._enter(node)
            node = self._next()
            if node is not None:
                continue
            component = self._leave()
            if len(component) > 1:
                return f"topological sort failed: {inspect_value(component)}"
            if not self._path:
                return None

    def _enter(self, node: str) -> None:
        self._lowest[node] = self.order[node] = len(self.order)
        self._open.append(node)
        self._path.append((node, iter(self._nodes.get(node, ()))))

    def _next(self) -> str | None:
        """The first child of the current node that was not visited yet."""
        current, children = self._path[-1]
        for child in children:
            if child not in self.order:
                return child
            if child not in self._done:
                self._lowest[current] = min(self._lowest[current], self.order[child])
        return None

    def _leave(self) -> list[str]:
        """End the current node; the circle that it opened, itself included, if it opened one."""
        current, _ = self._path.pop()
        if self._path:
            parent = self._path[-1][0]
            self._lowest[parent] = min(self._lowest[parent], self._lowest[current])
        if self._lowest[current] != self.order[current]:
            return []
        at = len(self._open) - 1
        while self._open[at] != current:
            at -= 1
        component = self._open[at:]
        del self._open[at:]
        self._done.update(component)
        return component
