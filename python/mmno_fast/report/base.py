"""What all reports share: how they print, and how they become JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from mmno_fast.report.visible import visible_json

if TYPE_CHECKING:
    from rich.console import RenderableType


class Report(ABC):
    """Prints as a table in a terminal, in a notebook and through `rich`."""

    @abstractmethod
    def __rich__(self) -> RenderableType:
        """The report as `rich` shows it."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything that the report holds, as plain values."""

    def to_json(self) -> str:
        """`to_dict` as JSON, indented by two blanks; what a terminal would act upon stands there as escapes of JSON."""
        return visible_json(json.dumps(self.to_dict(), indent=2, ensure_ascii=False))

    def __str__(self) -> str:
        from mmno_fast.report import looks  # rich is imported when something is shown

        return looks.as_text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from mmno_fast.report import looks  # rich is imported when something is shown

        return looks.as_html(self)
