"""How Sphinx makes the book; `build.py` lays this file beside the pages."""

import api

import minibn

project, author = "minibn", "the authors of minibn"
copyright = author
release = minibn.__version__
language = "en"

extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
nb_execution_mode = "off"                          # outputs are kept in the notebooks
nb_ipywidgets_js = {}                              # its scripts would come from outside
nb_merge_streams = True
nb_render_markdown_format = "myst"                 # sentences that a cell shows have formulas, too
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
mathjax_path = "tex-svg.js"                        # one file, part of the site
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_typehints = "signature"
autodoc_type_aliases = {"Array": "Array"}          # NumPy's or CuPy's, not "Any"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "minibn"
html_static_path = ["_static"]
html_css_files = ["custom.css", "first_page.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "_static/icon.svg"
html_show_sourcelink = html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {
        "color-brand-primary": "#0060a0", "color-brand-content": "#0060a0",
        "color-brand-visited": "#5b4a9c",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6cb8ee", "color-brand-content": "#6cb8ee",
        "color-brand-visited": "#b7a6ee",
    },
}
copybutton_selector = "div.highlight-ipython3 pre, div.highlight-python pre, div.highlight-bash pre"


def setup(app):
    """Docstrings are read by minibn's own rules."""
    api.connect(app)
