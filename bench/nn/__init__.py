"""Layers and networks: flax.nnx modules made by recipes, and the products that convolutions are turned into."""
