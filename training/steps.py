"""The steps that learn, declared."""

from __future__ import annotations

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.datasets import DELIVERIES, EDGES, ITEMS, USERS
from daybreak.embeddings import ARRIVALS, EMBEDDING_RUNS, EMBEDDINGS
from daybreak.features.partials import ITEM_DAYS, PAIR_DAYS, USER_DAYS
from daybreak.features.services import TWO_TOWER
from daybreak.features.training import RANKER_ROWS
from daybreak.learning import (
    CHAMPIONS,
    DECISIONS,
    EASE_CANDIDATES,
    GNN_CANDIDATES,
    ID_ROWS,
    PEOPLE_CANDIDATES,
    QUALITY,
    TIE_ORDER,
    TOWER_CANDIDATES,
)
from daybreak.steps import StepSpec

TOWER_VIEWS = tuple(chosen.view.dataset for chosen in TWO_TOWER.chosen)

STEPS = (
    StepSpec(
        "training.ids",
        target="training.ids:run",
        config="training.ids:IdsConfig",
        reads=(USERS, ITEMS, USER_DAYS, ITEM_DAYS, DELIVERIES),
        writes=(ID_ROWS,),
    ),
    StepSpec(
        "training.due",
        target="training.due:run",
        config="training.due:DueConfig",
        reads=(ID_ROWS, PAIR_DAYS, EDGES, RANKER_ROWS, GNN_CANDIDATES, TOWER_CANDIDATES),
        writes=(DECISIONS, QUALITY),
    ),
    StepSpec(
        "training.gnn",
        target="training.gnn:run",
        config="training.gnn:GnnConfig",
        reads=(DECISIONS, ID_ROWS, PAIR_DAYS),
    ),
    StepSpec(
        "training.two_tower",
        target="training.two_tower:run",
        config="training.two_tower:TwoTowerConfig",
        reads=(DECISIONS, ID_ROWS, PAIR_DAYS, *TOWER_VIEWS),
    ),
    StepSpec(
        "training.trial",
        target="training.trial:run",
        config="training.trial:TrialConfig",
        reads=(DECISIONS, ID_ROWS, PAIR_DAYS, *TOWER_VIEWS),
    ),
    StepSpec(
        "training.ranker",
        target="training.ranker_step:run",
        config="training.ranker_step:RankerStepConfig",
        reads=(DECISIONS, RANKER_ROWS),
    ),
    StepSpec(
        "training.people",
        target="training.people:run",
        config="training.people:PeopleConfig",
        reads=(DECISIONS, ID_ROWS, EDGES),
    ),
    StepSpec(
        "training.candidates",
        target="training.candidates:run",
        config="training.candidates:CandidatesConfig",
        reads=(USERS, ITEMS, EDGES, ID_ROWS, PAIR_DAYS),
        writes=(CHAMPIONS, GNN_CANDIDATES, PEOPLE_CANDIDATES),
    ),
    StepSpec(
        "training.ease",
        target="training.ease:run",
        config="training.ease:EaseConfig",
        reads=(USERS, ITEMS, ID_ROWS, PAIR_DAYS),
        writes=(EASE_CANDIDATES,),
    ),
    StepSpec(
        "training.tie_order",
        target="training.tie_order:run",
        config="training.tie_order:TieOrderConfig",
        reads=(USERS, EDGES, ID_ROWS, PEOPLE_PAIRS, LIVELY_PEOPLE, PEOPLE_CANDIDATES),
        writes=(TIE_ORDER,),
    ),
    StepSpec(
        "training.embeddings",
        target="training.embeddings:run",
        config="training.embeddings:EmbeddingsConfig",
        reads=(CHAMPIONS, USERS, ITEMS, ID_ROWS, PAIR_DAYS, *TOWER_VIEWS),
        writes=(EMBEDDINGS, EMBEDDING_RUNS),
    ),
    StepSpec(
        "training.arrivals",
        target="training.arrivals:run",
        config="training.arrivals:ArrivalsConfig",
        reads=(ITEMS, *TOWER_VIEWS),
        writes=(ARRIVALS,),
    ),
)
