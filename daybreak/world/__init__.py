"""A simulated world to recommend in: users with tastes, items with a life, visits, ties, and dirt.

Everything is a closed form of (world, day, entity): any day, any user and any item can be made alone, in any order and
in any process, and comes out as the same bytes. Only integer arithmetic and the correctly rounded float operations
(+ - * / and comparisons) are used, because logarithms, powers and matrix products differ between processors.
"""
