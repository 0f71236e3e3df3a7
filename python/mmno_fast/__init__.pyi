"""The public names of mmno_fast, for type checkers. `__init__.py` has the same names, and imports each when it is first used."""

from mmno_fast._core import ClosedError as ClosedError
from mmno_fast._core import DataError as DataError
from mmno_fast._core import InternalError as InternalError
from mmno_fast._core import MmnoError as MmnoError
from mmno_fast._core import Progress as Progress
from mmno_fast._core import ShardError as ShardError
from mmno_fast._core import StateError as StateError
from mmno_fast._core import __version__ as __version__
from mmno_fast.data.dataset import Dataset as Dataset
from mmno_fast.data.dataset import open as open  # noqa: A004 - `mf.open` is the name that users expect
from mmno_fast.data.decode import Patches as Patches
from mmno_fast.data.decode import TokenPlan as TokenPlan
from mmno_fast.data.decode import plan_tokens as plan_tokens
from mmno_fast.data.decode import read_picture as read_picture
from mmno_fast.data.pictures import LabelledPictures as LabelledPictures
from mmno_fast.data.pictures import Picture as Picture
from mmno_fast.data.pictures import Pictures as Pictures
from mmno_fast.data.rows import Selection as Selection
from mmno_fast.jobs.build import BuildReport as BuildReport
from mmno_fast.jobs.build import build as build
from mmno_fast.jobs.check import CheckReport as CheckReport
from mmno_fast.jobs.check import check as check
from mmno_fast.jobs.verify import VerifyReport as VerifyReport
from mmno_fast.jobs.verify import verify as verify
from mmno_fast.loading.batch import Batch as Batch
from mmno_fast.loading.loader import Loader as Loader
from mmno_fast.loading.stats import LoaderStats as LoaderStats
from mmno_fast.spec.image import Encoded as Encoded
from mmno_fast.spec.image import ImageSpec as ImageSpec
from mmno_fast.spec.image import Original as Original
from mmno_fast.spec.image import Profile as Profile
from mmno_fast.spec.image import Resize as Resize
from mmno_fast.spec.image import profiles as profiles
from mmno_fast.spec.output import CLIP_MEAN as CLIP_MEAN
from mmno_fast.spec.output import CLIP_STD as CLIP_STD
from mmno_fast.spec.output import Output as Output
