"""Commands that trade, beside the authority's."""
