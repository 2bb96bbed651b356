"""One measured row of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure.

    Attributes:
        ours: our figure, in `unit`.
        peer: the peer's figure in the same run, or None if the peer is not here.
        ratio: ours to peer.
        must: text of the condition of being finished, or None.
        aim: text of what is worked towards, or None.
        holds: whether must and aim are both met; None where that could not be measured.
    """

    measure: str
    ours: float
    unit: str
    peer: float | None = None
    peer_name: str | None = None
    ratio: float | None = None
    must: str | None = None
    aim: str | None = None
    holds: bool | None = None

    def line(self) -> str:
        beside = f" | {self.peer_name} {self.peer:.4g} (ratio {self.ratio:.4g})" if self.peer and self.ratio else ""
        told = {True: "holds", False: "MISSED", None: "not measured"}[self.holds]
        bound = f" | must {self.must}, aim {self.aim}: {told}" if self.must or self.aim else ""
        return f"{self.measure}: {self.ours:.4g} {self.unit}{beside}{bound}"
