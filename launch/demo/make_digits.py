#!/usr/bin/env python3
"""Write scikit-learn's 1,797 handwritten digits as PNG ImageFolders train/, val/ and test/.

    launch/demo/make_digits.py --out build/demo/digits

Real handwriting of 43 people (UCI optical digits, 8 x 8 ink counts of 0..16). The split is disjoint
and fixed by --seed: 64 images a class for train, 20 for val, the rest for test. classnames.txt
beside them gives each folder its English name.
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True  # nothing is written beside the scripts
import script_tools  # noqa: E402

script_tools.require(__name__, "numpy", "PIL", "sklearn", setup="launch/setup.sh --demo")
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TRAIN_PER_CLASS = 64
VAL_PER_CLASS = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    out = pathlib.Path(args.out)
    digits = load_digits()
    rng = np.random.RandomState(args.seed)  # legacy generator: the same permutation in every numpy
    sizes = {"train": 0, "val": 0, "test": 0}
    for label in range(10):
        rows = rng.permutation(np.flatnonzero(digits.target == label))
        bounds = [0, TRAIN_PER_CLASS, TRAIN_PER_CLASS + VAL_PER_CLASS, len(rows)]
        for split, low, high in zip(sizes, bounds, bounds[1:]):
            folder = out / split / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            for row in rows[low:high]:
                pixels = np.round(digits.images[row] * (255 / 16)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"digit-{row:04d}.png")
            sizes[split] += high - low
    (out / "classnames.txt").write_text("".join(f"{i}\t{name}\n" for i, name in enumerate(NAMES)))
    print(f"{out}: " + ", ".join(f"{split} {count}" for split, count in sizes.items()))


if __name__ == "__main__":
    main()
