"""What features are about."""

from __future__ import annotations

from daybreak.features.declaration import Entity

USER = Entity("user", "user_id", "the user")
ITEM = Entity("item", "item_id", "the item")
CATEGORY = Entity("category", "category", "the category of items")
BRAND = Entity("brand", "brand", "the brand of items")
