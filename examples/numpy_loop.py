"""The smallest loop: batches as NumPy arrays, and where the time went.

python examples/numpy_loop.py --out run
"""

import argparse
from pathlib import Path

import mmno_fast as mf
from mmno_fast.demo import draw

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, required=True, help="folder for the drawn data")
out = parser.parse_args().out

drawn = draw(out / "data", pictures=30, faults=False)
report = mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(112, fit="stretch"))

dataset = mf.open(report.path)
train, held_out = dataset.split(0.9, by="picture", seed=1)  # no picture is on both sides
with mf.Loader(train, batch_size=16, shuffle=True, seed=7) as loader:
    for epoch in range(2):
        for batch in loader:
            mean = batch.images.mean()  # uint8 (16, 112, 112, 3)
        print(f"epoch {epoch}: the last batch has a mean of {mean:.1f}, and asks {batch.rows['messages'][0][0]['content'].as_py()!r}")
    print(loader.explain())
print(f"{len(held_out)} rows were held out")
