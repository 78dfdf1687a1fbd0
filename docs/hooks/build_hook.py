"""Hook of MkDocs: adds the pages made from the code and from the shipped example, and writes formulas as MathML.

Reference and gallery exist nowhere as files: `on_files` adds them to each build.
"""

import re
from html import unescape
from pathlib import Path

import gallery
import reference
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and figures."""
    for pages in (reference.pages(ROOT), gallery.pages(ROOT)):
        for address, content in pages.items():
            files.append(File.generated(config, address, content=content))
    return files


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace each formula by MathML, which browsers draw and screen readers read without a script."""
    return FORMULA.sub(lambda found: _mathml(found[2], found[1] == "div"), html)


def _mathml(formula: str, alone: bool) -> str:
    return convert(unescape(formula), display="block" if alone else "inline")
