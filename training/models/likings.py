"""What users like, by what each made of what was shown: known by ids alone, as a match of vectors and a taste by kind.

A user's liking of an item is a product of two vectors, how much the user likes the item's kind (such as its category),
and how much everybody likes the item. It counts in each head by a factor of its own. Of a user or an item that was not
among those learned from, nothing is added. Each number is drawn towards 0 as by a normal prior (`penalty`), so that
who was shown little is told little of.

Places and shelves are looked at more or less often; that is learned beside it, so that likings need not explain it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daybreak.features.encoder import FIRST_WORD

PENALTIES = {"users": 2.0, "items": 2.0, "tastes": 1.0, "liked": 1.0, "easy": 0.3}
"""What a number of each kind weighs, squared, against one row: users' and items' vectors, tastes by kind, how much
everybody likes an item, how much a user likes anything."""
SPREAD = 0.1


class Likings(nn.Module):
    """Logits of each head from the words of a row; `user`, `item` and `kind` are their places among the words."""

    def __init__(
        self, word_counts: Sequence[int], *, user: int, item: int, kind: int | None, width: int, heads: int
    ) -> None:
        super().__init__()
        self.user, self.item, self.kind = user, item, kind
        self.kinds = word_counts[kind] if kind is not None else 0
        self.users = nn.Embedding(word_counts[user], width)
        self.items = nn.Embedding(word_counts[item], width)
        self.tastes = nn.Embedding(word_counts[user] * self.kinds, 1) if self.kinds else None
        self.liked, self.easy = nn.Embedding(word_counts[item], 1), nn.Embedding(word_counts[user], 1)
        self.factors, self.base = nn.Parameter(torch.ones(heads)), nn.Parameter(torch.zeros(heads))
        for vectors in (self.users, self.items):
            nn.init.normal_(vectors.weight, std=SPREAD)
        for table in (self.liked, self.easy, self.tastes):
            if table is not None:
                nn.init.zeros_(table.weight)

    def forward(self, words: Tensor) -> Tensor:
        """Logits by row and head."""
        user, item = words[:, self.user], words[:, self.item]
        knows_user, knows_item = ((known >= FIRST_WORD).float() for known in (user, item))
        match = (self.users(user) * self.items(item)).sum(dim=1) * knows_user * knows_item
        liking = match + self.liked(item)[:, 0] * knows_item + self.easy(user)[:, 0] * knows_user
        if self.tastes is not None:
            kind = words[:, self.kind]
            taste = self.tastes(user * self.kinds + kind)[:, 0]
            liking = liking + taste * knows_user * (kind >= FIRST_WORD).float()
        return liking[:, None] * self.factors + self.base

    def penalty(self) -> Tensor:
        """How unlikely these numbers are before anything is seen."""
        total = self.base.new_zeros(())
        for name, weight in PENALTIES.items():
            table = getattr(self, name)
            if table is not None:
                total = total + weight * table.weight.square().sum() / 2
        return total
