"""From the name of a picture to its file."""

# A name is looked for as it stands; pathlib would tidy it first.
# ruff: noqa: PTH112, PTH116, PTH118, PTH208

import os
import stat
from collections.abc import Iterable
from itertools import islice

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Last suffixes that may stand for one another."""

DESCENT_NAMES = 100
"""How many names decide whether a root is the right folder."""

MAX_DESCENTS = 3
"""How many folders below a root may be taken in its place."""

MAX_WAYS = 64
"""In how many folders, and then as how many files, one name is looked for below a root."""


class Folders:
    """The roots, with a memory of the folders that were listed.

    Example:
        >>> Folders([], follow_links=True).find("a.png")
        ([], 'images.missing')
    """

    def __init__(self, roots: Iterable[str], *, follow_links: bool) -> None:
        self.follow_links = follow_links
        self.roots = list(roots)
        self.listed: dict[str, dict[str, list[str]]] = {}
        for root in self.roots:
            if not os.path.isdir(root):
                raise FileNotFoundError(f"{root}: expected a folder of pictures, found none")

    def descend(self, names: Iterable[str]) -> None:
        """Put the folder that an archive nests in the place of each root where none of the first names is found."""
        first = list(islice(names, DESCENT_NAMES))
        if first:
            self.roots = [self.nested(root, first) for root in self.roots]

    def nested(self, root: str, names: list[str]) -> str:
        """`root`, or its single sub-folder, and so on: the first of them below which a name is found; `root` where none is."""
        folder = root
        for descents in range(MAX_DESCENTS + 1):
            if any(self.exact(folder, name) or self.similar(folder, name) for name in names):
                return folder
            with os.scandir(folder) as entries:
                below = [e.path for e in entries if e.is_dir() and e.name[0] != "." and e.name != "__MACOSX"]
            if descents == MAX_DESCENTS or len(below) != 1:
                break
            folder = below[0]
        return root

    def find(self, name: str) -> tuple[list[str], str | None]:
        """The files that a well-formed name means, and the code where there is none or more than one will do.

        Returns:
            One path for each root that holds this very name (they must agree in their bytes); else one for each root that
            holds the one name that differs from it in letter case or suffix, and the code `images.resolved`; else no path
            and the code.
        """
        exact = [path for root in self.roots if (path := self.exact(root, name))]
        if exact:
            return exact, None
        similar: dict[str, list[str]] = {}
        for root in self.roots:
            others = self.similar(root, name)
            if others is None:
                return [], "images.ambiguous"
            for other in others:
                similar.setdefault(other, []).append(os.path.join(root, other))
        if len(similar) == 1:
            return next(iter(similar.values())), "images.resolved"
        return [], "images.ambiguous" if similar else "images.missing"

    def exact(self, root: str, name: str) -> str | None:
        """The file of this very name below `root`."""
        path = os.path.join(root, name)
        return path if self.is_file(root, path) else None

    def similar(self, root: str, name: str) -> list[str] | None:
        """The names below `root` that differ from this one in letter case, in any component, or in the last suffix.

        `None` where more folders or files do than are looked at. A folder that several links lead to is entered once.
        """
        parts = [part.lower() for part in name.split("/") if part not in ("", ".")]
        if not parts:
            return []
        reached = [""]
        for part in parts[:-1]:
            ways = self.alike(root, reached, [part], folders=True)
            if len(ways) > MAX_WAYS:
                return None
            first: dict[tuple[int, int], str] = {}
            for way in ways:
                if identity := entered(os.path.join(root, way)):
                    first.setdefault(identity, way)
            reached = list(first.values())
        stem, dot, suffix = parts[-1].rpartition(".")
        wanted = [stem + other for other in SUFFIXES] if dot + suffix in SUFFIXES else parts[-1:]
        found = self.alike(root, reached, wanted, folders=False)
        if len(found) > MAX_WAYS:
            return None
        return [other for other in found if self.is_file(root, os.path.join(root, other))]

    def alike(self, root: str, reached: list[str], keys: list[str], *, folders: bool) -> list[str]:
        """The folders, or all else, in these folders below `root` whose name in lower case is one of `keys`."""
        listings = ((folder, self.listing(os.path.join(root, folder))) for folder in reached)
        ways = (os.path.join(folder, entry) for folder, listing in listings for key in keys for entry in listing.get(key, ()))
        return [way for way in ways if os.path.isdir(os.path.join(root, way)) == folders]

    def listing(self, folder: str) -> dict[str, list[str]]:
        """The entries of a folder by their name in lower case; none where it cannot be listed."""
        if folder not in self.listed:
            entries: dict[str, list[str]] = {}
            try:
                for entry in sorted(os.listdir(folder)):
                    entries.setdefault(entry.lower(), []).append(entry)
            except OSError:
                pass
            self.listed[folder] = entries
        return self.listed[folder]

    def is_file(self, root: str, path: str) -> bool:
        """Whether there is a file that may be read, or that the system refuses to look at."""
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return False
        except PermissionError:
            return True
        except OSError:
            return False
        return self.follow_links or is_below(os.path.realpath(path), os.path.realpath(root))


def entered(folder: str) -> tuple[int, int] | None:
    """What tells a folder from all others, whatever links lead to it; none where it may not be looked at."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_below(path: str, folder: str) -> bool:
    """Whether a resolved path lies in a resolved folder."""
    return os.path.commonpath((path, folder)) == folder
