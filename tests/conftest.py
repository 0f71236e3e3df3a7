import os, subprocess, sys
from pathlib import Path
import pytest
@pytest.fixture(scope="session")
def make_corpus(tmp_path_factory):
    shared = Path(os.environ.get("MMNO_TEST_DATA", Path(__file__).resolve().parents[2]/"shared"))
    made = {}
    def make(*, images, faults=0, seed=0, upscale=0):
        key=(images,faults,seed,upscale)
        if key not in made:
            out = tmp_path_factory.mktemp("corpus")
            subprocess.run([sys.executable, str(shared/"tools"/"make_corpus.py"), "--out", str(out), "--images", str(images), "--faults", str(faults), "--seed", str(seed), "--upscale", str(upscale)], check=True, capture_output=True)
            made[key]=out
        return made[key]
    return make
