"""The files of the built site: every link leads somewhere, and nothing comes from outside."""

import posixpath
import re
import zipfile
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src",
         "video": "src", "audio": "src", "object": "data"}


class Reader(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.anchors: set[str] = set()
        self.nameless: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        self.anchors |= {values.get("id"), values.get("name")} - {None}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if tag in LOADS and values.get(LOADS[tag]):
            self.loads.add(values[LOADS[tag]])
        if tag == "img" and values.get("alt", "").rpartition("/")[2] in (
                "", values.get("src", "").rpartition("/")[2]):
            self.nameless.append(values.get("src", "?"))


@cache
def pages(out: Path) -> dict[str, Reader]:
    """The book's pages by their path in the site."""
    return {path.relative_to(out).as_posix(): Reader(path.read_text("utf-8"))
            for path in sorted(out.rglob("*.html")) if "lite" not in path.relative_to(out).parts}


def resolve(page: str, link: str) -> str:
    """The path in the site to which a relative link leads."""
    path = unquote(urlsplit(link).path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page


def test_every_link_leads_somewhere(out):
    broken = []
    for page, reader in pages(out).items():
        for link in reader.links | reader.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            place = resolve(page, link)
            if place.startswith("lite/") and "path" in parse_qs(parts.query):
                place = f"lite/files/{parse_qs(parts.query)['path'][0]}"
            if not (out / place).exists():
                broken.append(f"{page}: {link}")
            elif (parts.fragment and place in pages(out)
                  and unquote(parts.fragment) not in pages(out)[place].anchors):
                broken.append(f"{page}: {link} (no such anchor)")
    assert not broken, "\n".join(broken)
    assert len(pages(out)) > 50


def test_no_page_loads_anything_from_outside(out):
    outside = [f"{page}: {load}" for page, reader in pages(out).items() for load in reader.loads
               if urlsplit(load).netloc]
    for sheet in (out / "_static").rglob("*.css"):
        outside += [f"{sheet.name}: {url}" for url in
                    re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)]*)", sheet.read_text("utf-8"))]
    assert not outside, "\n".join(outside)


def test_no_link_is_absolute_in_the_site(out):
    """So that the site works in a subfolder."""
    absolute = [f"{page}: {link}" for page, reader in pages(out).items()
                for link in reader.links | reader.loads if link.startswith("/")]
    assert not absolute, "\n".join(absolute)


def test_every_picture_has_words(out):
    nameless = [f"{page}: {src}" for page, reader in pages(out).items() for src in reader.nameless]
    assert not nameless, "\n".join(nameless)


def test_derivation_is_one_click_away_and_running_it_a_second(out):
    chapter = "chapters/04_moving_average_bias.html"
    assert chapter in pages(out)["index.html"].links
    assert "../lite/notebooks/index.html?path=04_moving_average_bias.ipynb" in (
        pages(out)[chapter].links)
    text = (out / chapter).read_text("utf-8")
    assert r"E[\mu_t] = (1-\alpha^t)" in text


def test_results_are_in_the_wheel_for_the_browser(out):
    wheel = next((out / "lite" / "static" / "pyodide").glob("minibn-*.whl"))
    assert "minibn/replication/published/scaled.jsonl.gz" in zipfile.ZipFile(wheel).namelist()


def test_every_notebook_is_there_to_run(out):
    there = {path.relative_to(out / "lite" / "files").as_posix()
             for path in (out / "lite" / "files").rglob("*.ipynb")}
    assert len([path for path in there if "/" not in path]) >= 11
    for path in there:
        page = f"exercises/{path[10:]}" if path.startswith("exercises/") else f"chapters/{path}"
        assert page.replace(".ipynb", ".html") in pages(out)
