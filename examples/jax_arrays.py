"""JAX: batches as arrays of JAX that are views of the loader's memory, bfloat16 and all.

python examples/jax_arrays.py --out run
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import mmno_fast as mf
from mmno_fast.demo import draw
from mmno_fast.jax import arrays

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, required=True, help="folder for the drawn data")
out = parser.parse_args().out

drawn = draw(out / "data", pictures=30, faults=False)
report = mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(32, fit="stretch"))
pictures = mf.open(report.path).pictures.labelled()


@jax.jit
def step(weights: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One step of a linear classifier."""

    def loss(weights: jax.Array) -> jax.Array:
        scores = images.reshape(len(images), -1).astype(jnp.float32) @ weights
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1).mean()

    value, slope = jax.value_and_grad(loss)(weights)
    return weights - 1e-4 * slope, value


weights = jnp.zeros((32 * 32 * 3, len(pictures.classes)))
output = mf.Output(dtype="bfloat16", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
with mf.Loader(pictures, batch_size=10, shuffle=True, seed=7, output=output) as loader:
    for epoch in range(5):
        for batch in loader:
            made = arrays(batch)
            weights, value = step(weights, made["images"], made["labels"])
        print(f"epoch {epoch}: loss {value:.3f}")
same = made["images"].unsafe_buffer_pointer() == batch.numbers.ctypes.data
print(f"{made['images'].dtype} {made['images'].shape}, {'the very memory of the loader' if same else 'a copy'}")
