"""Smoothing over the graph is what matrices say: whole to the digit, by drawn neighbours on average."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse import random as drawn

from training.models.light_gcn import Graph, LightGcn, Side, _product

N_USERS, N_ITEMS, WIDTH = 8, 6, 3


def ties_of(seed: int, density: float = 0.4) -> csr_matrix:
    ties = drawn(N_USERS, N_ITEMS, density=density, random_state=np.random.default_rng(seed), dtype=np.float32)
    return csr_matrix(ties)


def module_of(seed: int, layers: int) -> LightGcn:
    return LightGcn(*np.random.default_rng(seed).normal(0, 5, (2, N_ITEMS, WIDTH)).astype(np.float32), layers)


def smoothed(ties: csr_matrix, vectors: np.ndarray, layers: int) -> np.ndarray:
    """The mean over layers of the power of the step to users and back, in plain numpy."""
    step = (ties.T @ ties).toarray().astype(np.float64)
    return np.mean([np.linalg.matrix_power(step, layer) @ vectors for layer in range(layers + 1)], axis=0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), layers=st.integers(0, 3))
def test_smoothing_is_the_mean_over_layers_of_the_powers_of_a_step(seed, layers):
    """For both vectors of an item; users or items without ties give and take nothing."""
    ties, module = ties_of(seed), module_of(seed, layers)
    given_vectors = [side.detach().numpy() * module.scale for side in (module.entering, module.leaving)]
    for found, vectors in zip(module(Graph.of(ties)), given_vectors, strict=True):
        np.testing.assert_allclose(found.detach(), smoothed(ties, vectors, layers), rtol=1e-4, atol=1e-4)


def test_vectors_are_learned_in_units_of_their_own_length():
    """One learning rate suits all; without any smoothing what comes out is what was put in."""
    entering, leaving = np.random.default_rng(0).normal(0, [[[0.01]], [[20.0]]], (2, N_ITEMS, WIDTH)).astype(np.float32)
    module = LightGcn(entering, leaving, 0)
    assert float(module.entering.detach().square().mean()) == pytest.approx(1, rel=1e-4)
    for found, expected in zip(module(Graph.of(ties_of(0))), (entering, leaving), strict=True):
        np.testing.assert_allclose(found.detach(), expected, rtol=1e-5)
    nothing = LightGcn(entering * 0, leaving * 0, 1)(Graph.of(ties_of(0)))
    assert not any(found.detach().any() for found in nothing)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_a_step_is_what_torch_derives(seed):
    """In double precision, against finite differences and against a dense product."""
    ties = ties_of(seed)
    users, items = (
        Side(side.starts, side.neighbours, side.values.double())
        for side in (Side.of(ties), Side.of(csr_matrix(ties.T)))
    )
    vectors = torch.randn(N_ITEMS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert torch.autograd.gradcheck(lambda some: _product(users, items, some), vectors.requires_grad_())
    dense = torch.from_numpy(ties.toarray().astype(np.float64))
    told = torch.randn(N_USERS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    (ours,) = torch.autograd.grad((_product(users, items, vectors) * told).sum(), vectors)
    (plain,) = torch.autograd.grad(((dense @ vectors) * told).sum(), vectors)
    torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_what_is_learned_of_the_vectors_is_what_torch_derives(layers):
    """Through all layers, of both sides."""
    ties, module = ties_of(4), module_of(4, layers)
    entering, leaving = module(Graph.of(ties))
    (entering @ leaving.T).square().sum().backward()
    step = torch.from_numpy((ties.T @ ties).toarray())
    mean = sum(torch.linalg.matrix_power(step, layer) for layer in range(layers + 1)) * (module.scale / (layers + 1))
    plain = [side.detach().clone().requires_grad_() for side in (module.entering, module.leaving)]
    ((mean @ plain[0]) @ (mean @ plain[1]).T).square().sum().backward()
    for ours, derived in zip((module.entering, module.leaving), plain, strict=True):
        torch.testing.assert_close(ours.grad, derived.grad, rtol=1e-3, atol=1e-3 * float(derived.grad.abs().max()))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("entering", [True, False])
def test_drawn_neighbours_come_out_right_on_average(layers, entering):
    """Over many draws the mean is that of the whole graph, as near as chance lets it; of an item that nobody has wanted
    it is its own share."""
    graph, module = Graph.of(csr_matrix(ties_of(5, 0.5).toarray() * (np.arange(N_ITEMS) < 5))), module_of(5, layers)
    whole = module(graph)[0 if entering else 1]
    torch.manual_seed(6)
    items = torch.tensor([5, 0, 3, 3])
    with torch.no_grad():
        draws = torch.stack([module.some(graph, items, 2, entering=entering) for _ in range(1_500)])
    error = draws.std(dim=0) / len(draws) ** 0.5
    assert ((draws.mean(dim=0) - whole[items]).abs() <= 4.5 * error + 1e-4).all()
    assert not draws[:, 0].std(dim=0).any()
    assert error[1:].min() > 0


def test_of_few_neighbours_a_step_with_one_draws_it_always():
    """Where everybody wanted one item, and every item was wanted by one, drawing is the whole."""
    graph, module = Graph.of(csr_matrix(np.eye(N_ITEMS, dtype=np.float32) * 0.5)), module_of(7, 2)
    some = module.some(graph, torch.arange(N_ITEMS), 3, entering=True)
    torch.testing.assert_close(some, module(graph)[0])


def test_drawn_smoothing_teaches_what_it_drew():
    """The gradient reaches the vectors, and those alone that a way leads to."""
    ties = np.zeros((N_USERS, N_ITEMS), np.float32)
    ties[:4, :3] = ties[4:, 3:] = 0.3
    module = module_of(8, 1)
    torch.manual_seed(0)
    module.some(Graph.of(csr_matrix(ties)), torch.tensor([0]), 4, entering=True).sum().backward()
    assert module.entering.grad is not None
    assert module.entering.grad[:3].any()
    assert not module.entering.grad[3:].any()
    assert module.leaving.grad is None
