"""torchdata's StatefulDataLoader, with workers: stopped in the middle of an epoch, it goes on at the very next batch.

python examples/stateful.py --out run
"""

import argparse
from pathlib import Path

import mmno_fast as mf
from mmno_fast.demo import draw
from mmno_fast.torch import IterableDataset
from torchdata.stateful_dataloader import StatefulDataLoader


def make_loader(shards: Path) -> StatefulDataLoader:
    """Whole batches come from the data set, so the data loader makes none: ``batch_size=None``."""
    return StatefulDataLoader(IterableDataset(mf.open(shards), batch_size=16, shuffle=True, seed=7), batch_size=None, num_workers=2)


def main() -> None:
    """Workers that are spawned import this file again, so nothing else may happen at its top."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the drawn data")
    out = parser.parse_args().out
    drawn = draw(out / "data", pictures=30, faults=False)
    shards = mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(112, fit="stretch")).path

    whole = [batch["row"].tolist() for batch in make_loader(shards)]

    loader = make_loader(shards)
    first = []
    for batch in loader:
        first.append(batch["row"].tolist())
        if len(first) == 5:
            state = loader.state_dict()
            break

    loader = make_loader(shards)
    loader.load_state_dict(state)
    rest = [batch["row"].tolist() for batch in loader]
    print(f"went on after {len(first)} of {len(whole)} batches: {'the same rows' if first + rest == whole else 'other rows!'}")


if __name__ == "__main__":
    main()
