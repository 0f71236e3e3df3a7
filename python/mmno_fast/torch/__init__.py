"""PyTorch: data sets, a loader, and a collator for Hugging Face processors. The only part of mmno_fast that imports torch.

Which one to take:

- `Loader`, where the training loop is your own, or Lightning's, or Accelerate's: batches as tensors, made ahead by threads, on the device
  in time, resumed exactly on any number of ranks (with ``batch_size * world_size`` kept). The fastest.
- `MapDataset`, where something builds a `torch.utils.data.DataLoader` itself, as the Hugging Face `Trainer` does.
- `IterableDataset`, where a `DataLoader` with workers has to run Python code on each batch, or torchdata's `StatefulDataLoader` is wanted.
- `Collator` turns what any of them gives into the inputs of a model, with a Hugging Face processor.
"""

from mmno_fast.torch.batch import Batch
from mmno_fast.torch.collator import Collator
from mmno_fast.torch.iterable_dataset import IterableDataset
from mmno_fast.torch.loader import Loader
from mmno_fast.torch.map_dataset import MapDataset
from mmno_fast.torch.samples import Sample, stack

__all__ = ["Batch", "Collator", "IterableDataset", "Loader", "MapDataset", "Sample", "stack"]
