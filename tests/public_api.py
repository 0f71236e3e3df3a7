"""What users may call, and the list of it, ``tests/public_api.txt``: names, signatures and types, one a line.

``python -m tests.public_api`` compares the list with the code. It fails where they differ, because what was removed or changed breaks the
programs of users. ``--write`` writes the list.

The code is read by griffe, not imported, so neither PyTorch nor JAX is needed. The list stands in the repository, so a clone needs neither
tags nor history.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "public_api.txt"
MODULES = ("mmno_fast", "mmno_fast.torch", "mmno_fast.jax", "mmno_fast.demo")
# Parts of the package that users do not see. Names there may be spelt like public ones and mean something else.
INSIDE = ("mmno_fast.cli", "mmno_fast.reference", "mmno_fast._core")
# Classes that only the package makes objects of: the arguments of their constructors are no promise.
MADE_HERE = {
    "mmno_fast.Batch",
    "mmno_fast.BuildReport",
    "mmno_fast.CheckReport",
    "mmno_fast.Dataset",
    "mmno_fast.LabelledPictures",
    "mmno_fast.LoaderStats",
    "mmno_fast.Picture",
    "mmno_fast.Pictures",
    "mmno_fast.Selection",
    "mmno_fast.TokenPlan",
    "mmno_fast.VerifyReport",
    "mmno_fast.demo.Drawn",
    "mmno_fast.demo.Fault",
    "mmno_fast.torch.Batch",
}
SPECIAL = {"__init__", "__new__", "__call__", "__len__", "__iter__", "__next__", "__getitem__", "__enter__", "__exit__", "__array__"}


def described(path: str, thing: griffe.Object | griffe.Alias, short: re.Pattern[str]) -> Iterator[str]:
    """The lines of one name."""
    thing = thing.final_target if isinstance(thing, griffe.Alias) else thing
    if isinstance(thing, griffe.Function):
        overloads = (thing.parent and thing.parent.overloads.get(thing.name)) or [thing]
        for overload in overloads:
            signature = short.sub("", overload.signature()).removeprefix(thing.name)
            kinds = [kind for kind in ("async", "classmethod", "staticmethod") if kind in overload.labels]
            yield " ".join([*kinds, f"def {path}{signature}"])
    elif isinstance(thing, griffe.Attribute):
        kind = "property" if "property" in thing.labels else "value"
        annotation = short.sub("", str(thing.annotation)) if thing.annotation is not None else "?"
        constant = f" = {thing.value}" if kind == "value" and thing.name.isupper() else ""
        yield f"{kind} {path}: {annotation}{constant}"
    elif isinstance(thing, griffe.Class):
        bases = ", ".join(short.sub("", str(base)) for base in thing.bases)
        yield f"class {path}({bases})"
        for name, member in sorted(thing.all_members.items()):
            if (name in SPECIAL or not name.startswith("_")) and not (name == "__init__" and path in MADE_HERE):
                yield from described(f"{path}.{name}", member, short)
    else:
        yield f"module {path}"


def public(folder: Path = ROOT / "python") -> list[str]:
    """The list, of the code as it is."""
    package = griffe.load("mmno_fast", search_paths=[folder], allow_inspection=False, resolve_aliases=True)
    assert isinstance(package, griffe.Module)
    # Where something lives is no promise: `specs.Resize` and `Resize` are one.
    modules = {module.name for module in walk(package)}
    short = re.compile(rf"\b(?:(?:{'|'.join(sorted(modules, key=len, reverse=True))})\.)+(?=[A-Za-z_])")
    lines: list[str] = []
    for path in MODULES:
        module = package if path == package.path else package[path.removeprefix("mmno_fast.")]
        if module is package:  # its names are the imports of `__init__.pyi`
            aliases = [member for member in module.members.values() if isinstance(member, griffe.Alias)]
            names = [alias.name for alias in aliases if alias.target_path.startswith("mmno_fast.")]
        else:
            own = [name for name, member in module.members.items() if member.is_public and not member.is_alias]
            names = list(map(str, module.exports or own))
        for name in sorted(names):
            with contextlib.suppress(KeyError, griffe.AliasResolutionError):  # a name that is nowhere has no line
                lines.extend(described(f"{path}.{name}", module[name], short))
    # What signatures name: kinds of values, constants that are defaults, and options that are passed on.
    words, where = set(re.findall(r"\w+", "\n".join(lines))), set()
    for module in walk(package):
        if module.path.startswith(INSIDE):
            continue
        for name in words & module.attributes.keys():
            value = module.attributes[name].value
            if name[0].isupper() and value is not None:
                where.add(f"where {name} = {short.sub('', str(value))}")
        for name in words & module.classes.keys():
            options = module.classes[name]
            if "TypedDict" in map(str, options.bases):
                where.update(f"where {name}.{key}: {short.sub('', str(kind.annotation))}" for key, kind in options.attributes.items())
    return lines + sorted(where)


def walk(module: griffe.Module) -> Iterator[griffe.Module]:
    """A module and those below it."""
    yield module
    for member in module.modules.values():
        if isinstance(member, griffe.Module):
            yield from walk(member)


def main(arguments: list[str]) -> int:
    """Writes the list, or compares it."""
    now = public()
    if arguments == ["--write"]:
        LIST.write_text("\n".join(now) + "\n", "utf-8")
        return 0
    before = LIST.read_text("utf-8").splitlines()
    gone, new = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    print("".join(f"- {line}\n" for line in gone) + "".join(f"+ {line}\n" for line in new), end="")
    if gone:
        print("The public interface was changed, and programs that use it may break. Undo the change, or describe it in CHANGELOG.md.")
    if gone or new:
        print(f"The list is not that of the code. To accept the change, run `make api-write` and commit {LIST.relative_to(ROOT)}.")
    return 1 if gone or new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
