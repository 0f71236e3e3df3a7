"""Nothing from the data acts on a terminal: hostile texts in every place that a command shows, read at the other end of a pty."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path

import mmno_fast as mf
import pytest
from mmno_fast.cli import app
from mmno_fast.report.visible import LINE_CHARS, VALUE_CHARS, shell_word, visible, visible_json, visible_lines

from tests import hostile_texts
from tests.building import about, encoded, noise, write_files, write_rows

OWN = re.compile(r"\x1b\[(0|1|2|\d;\d\d|1;\d\d|3\d)m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r")
"""What rich sends by itself: styles, the cursor, and lines drawn again."""
MOST = 1 << 20
"""Characters that one command may send, whatever the data are."""


def on_terminal(*arguments: object) -> tuple[int, str]:
    """The exit code of a command, and what its terminal is sent. In this process: a start takes long, and there are hundreds."""
    master, slave = pty.openpty()
    said = bytearray()

    def read() -> None:
        with suppress(OSError):  # at its end, Linux says EIO
            while part := os.read(master, 1 << 16):
                said.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    code = -1
    with pytest.MonkeyPatch.context() as patch:
        for name, text in {"TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"}.items():
            patch.setenv(name, text)
        with open(slave, "w", encoding="utf-8", closefd=False) as out, open(slave, "w", encoding="utf-8", closefd=False) as err:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                app([str(each) for each in arguments], prog_name="mmno-fast")
            except SystemExit as end:
                code = int(end.code or 0)
    os.close(slave)
    reader.join()
    os.close(master)
    return code, said.decode("utf-8", "replace")


def assert_harmless(said: str, texts: list[str]) -> None:
    """Nothing is there but what rich sends, and no text that could act stands there as it came."""
    left = OWN.sub("", said)
    acting = {char for char in left if not (char.isprintable() or char == "\n")}
    assert not acting, sorted(map(ascii, acting))
    assert not [text for text in texts if not text.isprintable() and text in said]
    assert len(said) < MOST


@pytest.fixture
def made(tmp_path):
    """A data set and what it was made of."""
    write_files(tmp_path / "images", {"0.png": encoded(noise(0, 16, 16, 3))})
    write_rows(tmp_path / "a.jsonl", [about("0.png")])
    mf.build(tmp_path / "a.jsonl", tmp_path / "images", tmp_path / "shards", mf.Original())
    return tmp_path


# one place that escapes


@pytest.mark.parametrize("text", hostile_texts.ALL, ids=range(len(hostile_texts.ALL)))
def test_a_text_is_shown_harmless_and_cut(text):
    for limit in (VALUE_CHARS, LINE_CHARS):
        shown = visible(text, limit)
        assert shown.isprintable()
        assert len(shown) <= 10 * limit + 40  # an escape has at most ten characters
        assert len(text) <= limit or f"… ({len(text):,} characters) …" in shown
    assert visible_lines(text).replace("\n", "").isprintable()
    document = visible_json(json.dumps([text], ensure_ascii=False))
    assert document.isprintable()
    assert json.loads(document) == [text]


def test_what_is_harmless_stays_as_it_is():
    for text in ("tête-à-tête.png", "脑部 (3).jpg", "שלום", "C:\\x", "[bold]x[/bold]", ""):
        assert visible(text) == visible_lines(text) == visible_json(text) == text


def test_a_word_for_a_shell_is_the_path_itself(tmp_path):
    import subprocess

    for name in (b"a b'c", b"b\xff\x1b[31m'\\", "é\u202e\n".encode()):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        shown = subprocess.run(["bash", "-c", f"printf %s {shell_word(path)}"], capture_output=True, check=True).stdout
        assert shown == os.fsencode(path)
        assert shell_word(path).isprintable()


# every command


def hostile_rows() -> list[str]:
    texts = hostile_texts.ALL
    rows = [json.dumps(about(f"{text}.png")) for text in texts]
    rows += [json.dumps(about(f"{text}/0.png"), ensure_ascii=False) for text in texts]
    rows += [json.dumps({**about("0.png"), text: 1}) for text in texts]
    rows += [json.dumps({**about("0.png"), "messages": [{"role": text, "content": text}]}) for text in texts]
    rows += ["{" + text.replace("\n", "").replace("\r", "") for text in texts]
    rows += [json.dumps({text: text}) for text in texts]
    return rows


@pytest.mark.parametrize("images", [True, False], ids=["pictures", "rows"])
@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_check_shows_rows_and_names_harmless(made, images, as_json):
    (made / "b.jsonl").write_text("\n".join(hostile_rows()) + "\n", "utf-8", newline="\n")
    more = [*(["--images", made / "images"] if images else []), *(["--json", "-"] if as_json else [])]
    code, said = on_terminal("check", made / "b.jsonl", *more)
    assert code == 1
    if as_json:  # exact, and so not cut
        assert not {char for char in OWN.sub("", said) if not (char.isprintable() or char == "\n")}
        body = said[said.index("{\r\n") :].replace("\r\n", "\n")
        assert {each["key"][1:] for each in json.loads(body)["unknown_fields"]} & set(hostile_texts.ALL)
    else:
        assert_harmless(said, hostile_texts.ALL)


def test_build_verify_and_info_show_names_of_files_harmless(made):
    names = [text for text in hostile_texts.ALL if "/" not in text and len(text.encode()) < 200]
    assert len(names) >= 200
    for name in names:
        (made / "shards" / name).write_bytes(b"")
    code, said = on_terminal("verify", made / "shards")
    assert code == 1
    assert_harmless(said, names)
    for text in hostile_texts.MARKUP:  # shown as it stands, and not taken for markup
        if "/" not in text:
            assert text in said
    code, said = on_terminal("verify", made / "shards", "--json", "-")
    assert code == 1
    assert_harmless(said, names)
    for name in names:
        if name != names[0]:
            (made / "shards" / name).unlink()
    code, said = on_terminal("build", made / "a.jsonl", "--images", made / "images", "--out", made / "shards", "--original")
    assert code == 2
    assert_harmless(said, names)


TEXTS = [hostile_texts.ALL[number] for number in range(0, len(hostile_texts.ALL), 23)]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_argument_acts(made, text, monkeypatch):
    """Paths that are not there, names of sources, values of options, commands."""
    monkeypatch.chdir(made)
    build = ("build", "a.jsonl", "--images", "images", "--out", "o")
    for arguments in (
        ("check", f"{text}.jsonl"),
        ("check", f"{text}=a.jsonl"),
        ("check", "a.jsonl", "--images", text),
        ("check", "a.jsonl", "--json", f"{text}/x.json"),
        ("check", "a.jsonl", "--findings", f"{text}/x"),
        ("verify", text),
        ("info", text),
        (*build, "--size", text),
        (*build, "--size", "16", "--fit", text),
        (*build, "--profile", text),
        (*build, "--profile", f"hf/qwen3_vl:{text}=1"),
        (*build, "--original", "--allow", text),
        (*build, "--original", "--shard-bytes", text),
        (*build, "--original", "--threads", text),
        ("demo", "--pictures", text),
        (text,),
        ("check", f"--{text}"),
    ):
        code, said = on_terminal(*arguments)
        assert code in (1, 2) or (arguments[1:] == (f"{text}=a.jsonl",) and text.isprintable()), arguments
        assert_harmless(said, [text])


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_info_shows_a_manifest_harmless(made, text):
    from mmno_fast.cli.info import manifest_table
    from mmno_fast.report.looks import as_html, as_text

    path = made / "shards" / "manifest.json"
    for place in (("tool", "name"), ("options", "strip_prefix"), ("sources", 0, "name"), ("spec", "kind"), ("manifest_blake3",)):
        manifest = at = json.loads(path.read_bytes())
        for step in place[:-1]:
            at = at[step]
        at[place[-1]] = text
        shown = as_text(manifest_table(made / text.replace("/", ""), manifest))
        assert_harmless(shown, [text])
        assert_harmless(as_html(manifest_table(made, manifest)), [text])


def names_of_files() -> list[str]:
    return [text for text in hostile_texts.ALL[::23] if "/" not in text and len(text.encode()) < 200]


@pytest.mark.parametrize("name", names_of_files(), ids=range(len(names_of_files())))
def test_no_path_acts(made, name):
    """Sources, folders of pictures and data sets of such names, and a name that is not UTF-8 in each."""
    home = Path(os.fsdecode(os.fsencode(made / name) + b"\xff"))
    home.mkdir()
    (made / "images").rename(home / "images")
    (made / "a.jsonl").rename(home / "a.jsonl")
    (home / "b.jsonl").write_text("[1]")
    spec = ("--images", home / "images", "--out", home / "out", "--original")
    for arguments, expected in {
        ("check", home / "a.jsonl", "--images", home / "images"): 0,
        ("build", home / "a.jsonl", *spec): 0,
        ("build", home / "a.jsonl", *spec, "--json", home / "report.json"): 0,
        ("verify", home / "out"): 0,
        ("info", home / "out"): 0,
        ("check", home / "b.jsonl"): 1,
        ("build", home / "b.jsonl", *spec): 2,
    }.items():
        code, said = on_terminal(*arguments)
        assert code == expected, said
        assert_harmless(said, [name])
    assert json.loads((home / "report.json").read_bytes())["roots"][0]["given"] == str(home / "images")


def test_a_data_uri_as_a_name_takes_little_room(made):
    write_rows(made / "u.jsonl", [about("data:image/png;base64," + "iVBORw0KGgo" * 100_000)])
    code, said = on_terminal("check", made / "u.jsonl", "--images", made / "images")
    assert code == 1
    assert len(said) < 10_000  # the bars are drawn again and again
    _, piped = on_terminal("check", made / "u.jsonl", "--images", made / "images", "--json", made / "r.json")
    assert len(piped) < 10_000


def test_the_demo_shows_its_folder_harmless(tmp_path):
    name = "\x1b]0;owned\x07[bold]\u202e"
    code, said = on_terminal("demo", "--pictures", 4, "--out", Path(os.fsdecode(os.fsencode(tmp_path / name) + b"\xff")))
    assert code == 0
    assert_harmless(said, [name])
