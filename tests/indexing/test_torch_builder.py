"""Indexes that torch builds are what FAISS would have made of the same centroids, and find as much as its own."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pytest
import torch

from daybreak.errors import InputError
from indexing.torch_builder import Recipe, build_by_torch

ROWS, WIDTH, CELLS, PARTS = 4_000, 24, 16, 12
KINDS = ("ivf_flat", "ivf_pq", "ivf_sq8")
MEASURES = ("product", "distance")
FACTORY = {"ivf_flat": "Flat", "ivf_pq": f"PQ{PARTS}np", "ivf_sq8": "SQ8"}
METRIC = {"product": faiss.METRIC_INNER_PRODUCT, "distance": faiss.METRIC_L2}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    faiss.omp_set_num_threads(before[1])


def clustered(rows, seed=0, spread=0.6):
    """Vectors around 60 directions, of lengths that differ."""
    middles = np.random.default_rng(7).normal(size=(60, WIDTH))
    drawn = np.random.default_rng(seed)
    vectors = middles[drawn.integers(0, 60, rows)] + drawn.normal(scale=spread, size=(rows, WIDTH))
    return (vectors * drawn.lognormal(0, 0.3, size=(rows, 1)) / np.sqrt(WIDTH)).astype(np.float32)


def recipe(kind, measure="product", cells=CELLS):
    return Recipe(kind, cells, PARTS if kind == "ivf_pq" else 0, measure)


def built(vectors, kind, measure="product", seed=3, **options):
    return build_by_torch(vectors, recipe(kind, measure), device="cpu", seed=seed, **options)


def listed(index):
    """The cell and the code of each id, and all ids as they stand in the lists."""
    found = []
    for cell in range(index.nlist):
        count = index.invlists.list_size(cell)
        if count:
            ids = faiss.rev_swig_ptr(index.invlists.get_ids(cell), count).copy()
            codes = faiss.rev_swig_ptr(index.invlists.get_codes(cell), count * index.code_size)
            found.append((np.full(count, cell), ids, codes.reshape(count, -1).copy()))
    cells, ids, codes = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(ids, kind="stable")
    return cells[order], codes[order], ids


def searched(index, queries, probes, k=10):
    index.nprobe = probes
    return index.search(queries, k)


def recall(index, vectors, queries, measure, probes):
    exact = faiss.IndexFlat(WIDTH, METRIC[measure])
    exact.add(vectors)
    _, best = exact.search(queries, 10)
    _, found = searched(index, queries, probes)
    return np.mean([np.isin(some, all_).mean() for some, all_ in zip(found, best, strict=True)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_vector_stands_in_the_index_once(kind):
    """`ntotal` counts all vectors, and the lists hold each row number exactly once, in order within a list."""
    index = built(clustered(ROWS), kind, block=777)
    cells, codes, ids = listed(index)
    assert index.ntotal == ROWS
    assert index.is_trained
    assert np.array_equal(np.sort(ids), np.arange(ROWS))
    assert codes.shape == (ROWS, index.code_size)
    assert all((np.diff(ids[cells[ids] == cell]) > 0).all() for cell in range(CELLS))


def test_flat_searched_in_all_cells_is_exact():
    """With all cells probed, a flat index gives the order of numpy's inner products."""
    vectors, queries = clustered(ROWS), clustered(50, seed=1)
    scores, found = searched(built(vectors, "ivf_flat"), queries, CELLS)
    products = queries.astype(np.float64) @ vectors.astype(np.float64).T
    expected = np.argsort(-products, axis=1, kind="stable")[:, :10]
    assert np.array_equal(found, expected)
    assert np.allclose(scores, np.take_along_axis(products, expected, axis=1), rtol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_those_of_faiss(kind, measure):
    """FAISS, adding the same vectors to the same centroids, files and encodes them alike, but for rounding."""
    vectors = clustered(ROWS)
    index = built(vectors, kind, measure)
    emptied = faiss.clone_index(index)
    emptied.reset()
    emptied.add(vectors)
    cells, codes, _ = listed(index)
    their_cells, their_codes, _ = listed(emptied)
    assert (cells != their_cells).mean() < 0.001
    assert (codes != their_codes).any(axis=1).mean() < 0.001


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", KINDS)
def test_as_much_is_found_as_in_an_index_that_faiss_trains(kind, measure):
    """Recall at 10 with the same cells and probes is no more than 0.03 below that of FAISS's own."""
    vectors, queries = clustered(8_000), clustered(300, seed=1)
    own = faiss.index_factory(WIDTH, f"IVF{CELLS},{FACTORY[kind]}", METRIC[measure])
    own.train(vectors)
    own.add(vectors)
    ours = recall(built(vectors, kind, measure), vectors, queries, measure, probes=4)
    assert ours > recall(own, vectors, queries, measure, probes=4) - 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bytes(kind):
    """Two builds with one seed are equal byte by byte; another seed is another index."""
    vectors = clustered(ROWS)
    first, again, other = (faiss.serialize_index(built(vectors, kind, seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_read_back_answers_the_same(kind, measure, tmp_path):
    """What FAISS writes and reads again finds the same rows with the same scores."""
    index, queries = built(clustered(ROWS), kind, measure), clustered(50, seed=1)
    faiss.write_index(index, str(tmp_path / "index"))
    scores, found = searched(index, queries, 4)
    their_scores, their_found = searched(faiss.read_index(str(tmp_path / "index")), queries, 4)
    assert np.array_equal(found, their_found)
    assert np.array_equal(scores, their_scores)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_that_repeat_are_found_all_the_same(kind):
    """Fewer different vectors than cells, zeros among them, leave cells empty and break nothing."""
    vectors = np.repeat(clustered(8), 50, axis=0)
    vectors[:50] = 0
    index = built(vectors, kind)
    scores, found = searched(index, vectors[100:101], CELLS, k=50)
    assert index.ntotal == 400
    assert len(set(found[0])) == 50
    assert np.allclose(scores[0], (vectors @ vectors[100]).max(), rtol=0.02)


@pytest.mark.parametrize("measure", MEASURES)
def test_no_cell_stays_empty_where_most_vectors_are_equal(measure):
    """Where 19 of 20 vectors are the same one, cells that none came to are given to the others."""
    vectors = np.concatenate([np.repeat(clustered(1), ROWS - 200, axis=0), clustered(200, seed=2)])
    index = built(vectors, "ivf_flat", measure)
    assert min(index.invlists.list_size(cell) for cell in range(CELLS)) > 0


def broken(value):
    vectors = clustered(300)
    vectors[7, 3] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "asked", "device", "says"),
    [
        (clustered(10), recipe("ivf_flat"), "cpu", "found 10 vectors for 16 cells: ask for 1 to 10"),
        (clustered(300), recipe("ivf_flat", cells=0), "cpu", "for 0 cells: ask for 1 to 300"),
        (broken(np.nan), recipe("ivf_flat"), "cpu", "1 of 300 vectors hold NaN or infinity: look for them"),
        (broken(np.inf), recipe("ivf_sq8"), "cpu", "1 of 300 vectors hold NaN or infinity: look for them"),
        (np.empty((0, WIDTH), np.float32), recipe("ivf_flat"), "cpu", r"shape \(0, 24\) in float32: hand over"),
        (clustered(300).astype(np.float64), recipe("ivf_flat"), "cpu", r"shape \(300, 24\) in float64: hand over"),
        (clustered(300)[0], recipe("ivf_flat"), "cpu", r"shape \(24,\) in float32: hand over"),
        (clustered(300), Recipe("ivf_pq", CELLS, 5), "cpu", "found 5: take one of 1, 2, 3, 4, 6, 8, 12, 24"),
        (clustered(300), Recipe("ivf_pq", CELLS), "cpu", "found 0: take one of 1, 2, 3, 4, 6, 8, 12, 24"),
        (clustered(255), recipe("ivf_pq"), "cpu", "256 vectors or more to learn from, but found 255: take ivf_flat"),
        (clustered(300), recipe("ivf_flat"), "abacus", "torch can use here, but found 'abacus'.*: take cpu"),
        (clustered(300), recipe("ivf_flat"), "meta", "torch can use here, but found 'meta'.*: take cpu"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(vectors, asked, device, says):
    """What is wrong with vectors, recipe or device is named, with what was found and the way out."""
    with pytest.raises(InputError, match=says):
        build_by_torch(vectors, asked, device=device, seed=0)
