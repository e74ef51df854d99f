"""Fewer neurons: which ones go, what stays the same, what becomes smaller."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from daybreak.errors import InputError
from tests.training.export.toys import Mlp, mlp_inputs, ranker, ranker_inputs, size
from training.export.onnx_export import export
from training.export.prune import neurons_of, pruned


def layers(module: nn.Module) -> list[tuple[int, int]]:
    return [(each.in_features, each.out_features) for each in module.modules() if isinstance(each, nn.Linear)]


def test_neurons_that_never_speak_or_always_say_the_same_go_without_a_change() -> None:
    torch.manual_seed(1)
    module, rows = Mlp(hidden=8).eval(), list(mlp_inputs().values())
    first = module.layers[0]
    with torch.no_grad():
        first.weight[2:6] = 0
        first.bias[2:4] = -1.0  # silent behind the bend
        first.bias[4:6] = 0.01  # always the same
        module.layers[3].weight[:, 4:6] = 0.1
        before = module(*rows)
        smaller = pruned(module, rows, 0.5)
        torch.testing.assert_close(smaller(*rows), before, atol=1e-5, rtol=0)
    assert layers(smaller) == [(6, 4), (4, 2)]
    assert torch.equal(smaller.layers[0].weight, first.weight[[0, 1, 6, 7]])


def test_the_module_itself_stays_as_it_was() -> None:
    module, rows = Mlp(), list(mlp_inputs().values())
    before = {name: values.clone() for name, values in module.state_dict().items()}
    pruned(module, rows, 0.5)
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    assert module.training


def test_nothing_is_pruned_where_no_share_is_asked_for() -> None:
    module, rows = ranker(), list(ranker_inputs().values())
    torch.testing.assert_close(pruned(module, rows, 0.0)(*rows), module(*rows))


@pytest.mark.parametrize("mixing", ["mmoe", "ple"])
def test_a_pruned_ranker_has_smaller_layers_and_learns_on(mixing: str) -> None:
    module, inputs = ranker(mixing), ranker_inputs()
    smaller = pruned(module, list(inputs.values()), 0.5)
    smaller.train()(*inputs.values()).sum().backward()
    linear = [each for each in smaller.modules() if isinstance(each, nn.Linear)]
    assert all(each.weight.grad is not None for each in linear)
    assert sum(each.weight.numel() for each in linear) < sum(a * b for a, b in layers(module)) * 0.6


def test_a_pruned_ranker_travels_and_is_smaller_on_disk(tmp_path: Path, exported: Path) -> None:
    inputs = ranker_inputs()
    path = tmp_path / "pruned.onnx"
    export(pruned(ranker(), list(inputs.values()), 0.5), inputs, path)
    assert size(path) < size(exported) * 0.7


def test_pruning_by_importance_costs_less_than_pruning_by_chance() -> None:
    """Of a layer where some neurons speak loudly, those stay."""
    torch.manual_seed(1)
    module, rows = Mlp(hidden=16).eval(), list(mlp_inputs().values())
    with torch.no_grad():
        module.layers[0].weight[:8] *= 0.02
        module.layers[0].bias[:8] *= 0.02
        smaller = pruned(module, rows, 0.5)
        kept = module.layers[0].weight[8:]
        assert torch.equal(smaller.layers[0].weight, kept)
        assert (smaller(*rows) - module(*rows)).abs().max() < module(*rows).abs().max() / 5


def test_layers_with_a_norm_between_them_are_left_alone() -> None:
    chain = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 1))
    assert [group.size for group in neurons_of(chain)] == [8]


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_told_in_one_sentence(share: float) -> None:
    with pytest.raises(InputError, match="a share of the neurons from 0 to below 1, found"):
        pruned(Mlp(), list(mlp_inputs().values()), share)


def test_a_module_without_hidden_neurons_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="needs hidden neurons between linear layers, found none in Linear;"):
        pruned(nn.Linear(2, 2), [torch.zeros(1, 2)], 0.5)
