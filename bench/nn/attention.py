"""Transformers: multi-head attention and pre-norm blocks whose perceptrons have the activation."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from bench.nn.layers import Dense, Recipe, linear
from bench.nn.products import product


class Attention(nnx.Module):
    """softmax(Q K' / √d) V for each of `heads`, all heads mixed by one product. Vaswani et al. 2017.

    Queries x [batch, queries, width] look at context [batch, tokens, width]; returns [batch, queries, width].
    """

    def __init__(self, width: int, heads: int, recipe: Recipe) -> None:
        self.heads = heads
        self.query = linear(width, width, recipe)
        self.key = linear(width, width, recipe)
        self.value = linear(width, width, recipe)
        self.output = linear(width, width, recipe)

    def __call__(self, x: Array, context: Array) -> Array:
        q, k, v = (self._split(z) for z in (self.query(x), self.key(context), self.value(context)))
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
        return self.output(mixed.reshape(x.shape))

    def _split(self, z: Array) -> Array:
        return z.reshape(*z.shape[:-1], self.heads, -1)


class Block(nnx.Module):
    """x + attention(norm(x)), then x + perceptron(norm(x)): pre-norm, the activation in the perceptron.

    Xiong et al. 2020. With `queries` only the last so many tokens are carried on.
    """

    def __init__(self, width: int, heads: int, hidden: int, recipe: Recipe, queries: int = 0) -> None:
        self.queries = queries
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=recipe.rngs) for _ in range(2)])
        self.attention = Attention(width, heads, recipe)
        self.hidden = Dense(width, hidden, recipe)
        self.output = linear(hidden, width, recipe)

    def __call__(self, x: Array) -> Array:
        before, within = self.norms
        context = before(x)
        x = x[:, -self.queries :] + self.attention(context[:, -self.queries :], context)
        return x + self.output(self.hidden(within(x)))


class PatchTransformer(nnx.Module):
    """Images as tokens: x [batch, side * side] -> [batch, outputs], read out of the mean token.

    Patches of patch x patch pixels, each with a learned position. Dosovitskiy et al. 2021, without a class token.
    """

    def __init__(
        self, side: int, patch: int, width: int, heads: int, hidden: int, depth: int, outputs: int, recipe: Recipe
    ) -> None:
        self.side, self.patch = side, patch
        self.embed = linear(patch * patch, width, recipe)
        self.position = nnx.Param(positions((side // patch) ** 2, width, recipe))
        self.blocks = nnx.List([Block(width, heads, hidden, recipe) for _ in range(depth)])
        self.norm = nnx.LayerNorm(width, rngs=recipe.rngs)
        self.output = linear(width, outputs, recipe)

    def __call__(self, x: Array) -> Array:
        x = self.embed(patches(x, self.side, self.patch)) + self.position[...]
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x).mean(1))


class TokenTransformer(nnx.Module):
    """One block over tokens and a last one that asks: x [batch, length] int32 -> [batch, tokens], read out of the last.

    The last token is the same in every sequence, so its embedding is its position.
    """

    def __init__(self, tokens: int, length: int, width: int, heads: int, hidden: int, recipe: Recipe) -> None:
        self.embedding = nnx.Param(jax.random.normal(recipe.rngs.params(), (tokens, width)) * width**-0.5)
        self.position = nnx.Param(positions(length + 1, width, recipe))
        self.block = Block(width, heads, hidden, recipe, queries=1)
        self.norm = nnx.LayerNorm(width, rngs=recipe.rngs)
        self.output = linear(width, tokens, recipe)

    def __call__(self, x: Array) -> Array:
        # By one-hot tokens: looking them up would be a scatter on the way back.
        embedded = product(jax.nn.one_hot(x, self.embedding.shape[0]), self.embedding[...])
        tokens = jnp.pad(embedded, ((0, 0), (0, 1), (0, 0))) + self.position[...]
        return self.output(self.norm(self.block(tokens)[:, 0]))


def positions(tokens: int, width: int, recipe: Recipe) -> Array:
    """Learned positions at their start, N(0, 1 / width)."""
    return jax.random.normal(recipe.rngs.params(), (tokens, width)) * width**-0.5


def patches(x: Array, side: int, patch: int) -> Array:
    """x [batch, side * side] -> [batch, (side / patch)², patch²], row by row."""
    n = side // patch
    return x.reshape(-1, n, patch, n, patch).swapaxes(2, 3).reshape(-1, n * n, patch * patch)
