"""Token numbers equal open_clip's SimpleTokenizer."""
import pathlib
import random
import re
import unicodedata

import open_clip
import pytest

from conftest import ROOT, run_ok

tokenizer = open_clip.get_tokenizer("RN50")


def ours(texts, tmp_path):
    out = []
    for at in range(0, len(texts), 400):
        result = run_ok("tokenize", "--quiet", "--", *texts[at:at + 400], json_path=tmp_path / "t.json")
        out += result.json["tokens"]
    return out


def check(texts, tmp_path):
    for text, got in zip(texts, ours(texts, tmp_path), strict=True):
        assert got[1:-1] == tokenizer.encode(text), repr(text)
        assert got[0] == 49406 and got[-1] == 49407


def test_prompts(tmp_path):
    header = (ROOT / "common/builtin_templates.h").read_text()
    templates = re.search(r'R"x\((.*)\)x"', header, re.S)[1].splitlines()
    assert len(templates) == 80
    names = ["tench", "jack-o'-lantern", "Crock Pot", "potter's wheel", "CD player", "T-shirt", "4x4 truck",
             "Band-Aid", "tobacco shop / tobacconist's", "Siberian husky"]
    check([t.format(n) for t in templates for n in names], tmp_path)


def test_words_of_the_vocabulary(tmp_path):
    words = [k.replace("</w>", " ") for k in list(tokenizer.encoder)[512:49406:37]]
    words = [w for w in words if w.isascii() and w.strip() and "&" not in w]
    assert len(words) > 1000
    check(words, tmp_path)


def test_unicode(tmp_path):
    """Letters, numbers and symbols of every script; texts that the reference's repair of broken encodings
    (ftfy) would rewrite are left out."""
    import ftfy
    rng = random.Random(5)
    points = [chr(c) for c in range(0x21, 0x20000)
              if unicodedata.category(chr(c))[0] in "LNPSM" and not 0xD800 <= c < 0xE000]
    texts = ["".join(rng.choice(points) for _ in range(6)) + " x" for _ in range(1500)]
    texts += ["naïve café", "ΟΔΥΣΣΕΥΣ", "straße ẞ", "ＡＢＣ", "日本語 テスト", "🙂 emoji 👍🏽", "x² ½ Ⅷ", "it's we'll I'd",
              "a\u00a0b\u2003c", "dž ǅ Ǆ", "  spaced   out  ", "tabs\tand\nlines"]
    texts = [t for t in texts if ftfy.fix_text(t) == t and "&" not in t and "\0" not in t]
    assert len(texts) > 500
    check(texts, tmp_path)


def test_known():
    assert run_ok("tokenize", "Hello World!").out.split() == ["49406", "3306", "1002", "256", "49407"]
