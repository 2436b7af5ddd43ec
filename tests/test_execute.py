"""Shards to rows: what is kept of an outcome."""

import numpy as np

from bench.execute import rounded


def test_exhibits_keep_three_digits_and_what_is_no_number() -> None:
    values = np.random.default_rng(0).normal(0, 10 ** np.linspace(-3, 30, 400)).astype(np.float32)
    np.testing.assert_allclose(rounded(values), values, rtol=2**-11)
    assert len(np.unique(rounded(values).view(np.uint32) & np.uint32(0x1FFF))) == 1
    special = np.array([0.0, 1.0, -0.5, np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(rounded(special), special)
