"""What people look at in a run: how honest chances are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from training.evaluation.binary import Calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def calibration_plot(curves: Mapping[str, tuple[Calibration, Calibration]]) -> Figure:
    """For each head, how often it came true beside how likely it was said to be, before and after calibration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(curves), 4.0), layout="constrained")
    places = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (head, (raw, calibrated)) in zip(places, curves.items(), strict=True):
        highest = max(float(raw.said.max()), float(raw.happened.max()), float(calibrated.said.max()))
        axes.plot([0, highest], [0, highest], color="0.7", linewidth=1, label="honest")
        axes.plot(raw.said, raw.happened, marker="o", markersize=3, linewidth=1, label="as the model says")
        axes.plot(calibrated.said, calibrated.happened, marker="o", markersize=3, linewidth=1, label="as served")
        axes.set(title=head, xlabel="chance", ylabel="share that came true")
        axes.legend(frameon=False, fontsize=8)
    return figure
