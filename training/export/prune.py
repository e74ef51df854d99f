"""Fewer neurons: those that say least are taken out of the layers, which stay dense and become smaller.

A neuron's importance is how strongly it speaks on rows that are shown (its mean absolute value) times how much the
layers behind it listen (their weights). What a removed neuron said on average is added to the biases behind it, so one
that always says the same can go without any change. Neurons of layers that follow each other are found by themselves; a
module whose neurons flow otherwise tells so by its `neurons`. The pruned copy can be fitted some more by the loop.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from daybreak.errors import InputError

BETWEEN = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Dropout, nn.Identity)


@dataclass(frozen=True)
class Neurons:
    """Neurons that are kept or removed together: `size` of them, row `offset + n` of each maker and column `offset + n`
    of each taker belonging to the n-th. `resized` is told how many are left."""

    size: int
    makers: Sequence[tuple[nn.Linear, int]]
    takers: Sequence[tuple[nn.Linear, int]]
    resized: Callable[[int], None] = field(default=lambda left: None)


def pruned(module: nn.Module, rows: Sequence[Tensor], share: float) -> nn.Module:
    """A copy without that share of its hidden neurons, chosen by what they say on these rows, the module's inputs."""
    if not 0 <= share < 1:
        raise InputError(f"pruning takes a share of the neurons from 0 to below 1, found {share:g}; name such a share")
    smaller = copy.deepcopy(module).eval()
    groups = neurons_of(smaller)
    if not groups:
        raise InputError(
            f"pruning needs hidden neurons between linear layers, found none in {type(module).__name__}; give the"
            " module layers that follow each other, or let it tell of its `neurons`"
        )
    means, strengths = _said(smaller, groups, rows)
    keeping: dict[nn.Linear, tuple[Tensor, Tensor]] = {}
    for group, mean, strength in zip(groups, means, strengths, strict=True):
        kept = _kept(group, strength, share)
        for maker, offset in group.makers:
            _masks(keeping, maker)[0][offset : offset + group.size] = kept
        for taker, offset in group.takers:
            columns = slice(offset, offset + group.size)
            _masks(keeping, taker)[1][columns] = kept
            lost = taker.weight.data[:, columns][:, ~kept] @ mean[~kept]
            taker.bias.data += lost
        group.resized(int(kept.sum()))
    for linear, (outputs, inputs) in keeping.items():
        _shrink(linear, outputs, inputs)
    return smaller.train(module.training)


def neurons_of(module: nn.Module) -> list[Neurons]:
    """The hidden neurons of a module: those it tells of, else those between linear layers that follow each other."""
    told = getattr(module, "neurons", None)
    if callable(told):
        return list(told())
    found: list[Neurons] = []
    inner = {each for one in module.modules() if isinstance(one, nn.Sequential) for each in one.children()}
    for chain in module.modules():
        if isinstance(chain, nn.Sequential) and chain not in inner:
            found += between(chain)
    return found


def between(chain: nn.Sequential) -> list[Neurons]:
    """The neurons between linear layers of a chain that follow each other, with nothing but bends between them."""
    found, before = [], None
    for layer in _flat(chain):
        if isinstance(layer, nn.Linear):
            if before is not None and layer.bias is not None:
                found.append(Neurons(layer.in_features, [(before, 0)], [(layer, 0)]))
            before = layer
        elif not isinstance(layer, BETWEEN):
            before = None
    return found


def _flat(chain: nn.Sequential) -> list[nn.Module]:
    return [each for layer in chain for each in (_flat(layer) if isinstance(layer, nn.Sequential) else [layer])]


def _said(module: nn.Module, groups: Sequence[Neurons], rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Of each group, what each neuron says on average, and how strongly, as the first taker hears it."""
    heard: dict[nn.Linear, Tensor] = {}

    def listen(linear: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(linear, nn.Linear)
        heard[linear] = given[0].detach().reshape(-1, linear.in_features)

    hooks = [group.takers[0][0].register_forward_pre_hook(listen) for group in groups]
    with torch.no_grad():
        module(*rows)
    for hook in hooks:
        hook.remove()
    said = [heard[taker][:, at : at + group.size] for group in groups for taker, at in group.takers[:1]]
    return [each.mean(dim=0) for each in said], [each.abs().mean(dim=0) for each in said]


def _kept(group: Neurons, strength: Tensor, share: float) -> Tensor:
    """Which neurons stay: the most important ones, at least one; of equal ones the first."""
    listening = sum(taker.weight.data[:, at : at + group.size].abs().sum(dim=0) for taker, at in group.takers)
    order = torch.argsort(strength * listening, descending=True, stable=True)
    kept = torch.zeros(group.size, dtype=torch.bool)
    kept[order[: max(1, math.ceil(group.size * (1 - share)))]] = True
    return kept


def _masks(keeping: dict[nn.Linear, tuple[Tensor, Tensor]], linear: nn.Linear) -> tuple[Tensor, Tensor]:
    if linear not in keeping:
        keeping[linear] = (
            torch.ones(linear.out_features, dtype=torch.bool),
            torch.ones(linear.in_features, dtype=torch.bool),
        )
    return keeping[linear]


def _shrink(linear: nn.Linear, outputs: Tensor, inputs: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.data[outputs][:, inputs].clone())
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.data[outputs].clone())
    linear.out_features, linear.in_features = linear.weight.shape
