"""What every measurement gives: numbers, and the settings without which they cannot be compared."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Result:
    """Numbers and settings side by side; a subclass says which of its fields were measured."""

    MEASURED: ClassVar[tuple[str, ...]]

    def values(self) -> dict[str, float]:
        """What was measured; without what there was nothing to measure by."""
        return {name: value for name in self.MEASURED if (value := getattr(self, name)) is not None}

    def settings(self) -> dict[str, Any]:
        """How it was measured: everything else, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if name not in self.MEASURED}
