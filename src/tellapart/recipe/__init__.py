"""Recipes: what was asked for, checked, and resolved to what will run."""

from tellapart.recipe.checking import check
from tellapart.recipe.describing import schema
from tellapart.recipe.layers import KINDS, Layer
from tellapart.recipe.naming import is_name, name_of, slug
from tellapart.recipe.network import Network, Traced, trace
from tellapart.recipe.problems import guess, quote
from tellapart.recipe.reading import load, parse, parse_lines, read
from tellapart.recipe.resolving import asked, canonical, resolve, with_changes
from tellapart.recipe.schema import (
    LICENSES,
    ClassOptions,
    Compile,
    Curate,
    Recipe,
    Rules,
    SourceSpec,
    Split,
    Train,
)

__all__ = [
    "KINDS",
    "LICENSES",
    "ClassOptions",
    "Compile",
    "Curate",
    "Layer",
    "Network",
    "Recipe",
    "Rules",
    "SourceSpec",
    "Split",
    "Traced",
    "Train",
    "asked",
    "canonical",
    "check",
    "guess",
    "is_name",
    "load",
    "name_of",
    "parse",
    "parse_lines",
    "quote",
    "read",
    "resolve",
    "schema",
    "slug",
    "trace",
    "with_changes",
]
