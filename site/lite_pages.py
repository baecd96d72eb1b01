"""What JupyterLite's own pages lack: an icon, and a way back to the book."""

import re
from pathlib import Path

# The link stands in the bar at the top.  A script sends it to the page of the open notebook.
BACK = """
    <style>
      #to-the-book { position: fixed; top: 8px; right: 84px; z-index: 900; padding: 3px 10px;
        font: 14px/20px system-ui, sans-serif; color: #0060a0; background: #fff;
        border: 1px solid #0060a0; border-radius: 4px; text-decoration: none; }
      #to-the-book:hover { text-decoration: underline; }
      @media (max-width: 700px) { #to-the-book { top: auto; bottom: 8px; right: 8px; } }
    </style>
    <a id="to-the-book" href="@UP@index.html">Back to the book</a>
    <script>
      {
        const path = new URLSearchParams(location.search).get("path") ?? "";
        const found = path.match(/^(exercises\\/)?(\\d\\d_\\w+)\\.ipynb$/);
        if (found) document.getElementById("to-the-book").href =
          "@UP@" + (found[1] ? "exercises/" : "chapters/") + found[2] + ".html";
      }
    </script>
"""


def finish(lite: Path) -> None:
    """Complete the pages of a built JupyterLite."""
    for page in lite.rglob("index.html"):
        text = page.read_text("utf-8")
        up = "../" * len(page.relative_to(lite).parts)
        icon = f'<link rel="icon" type="image/svg+xml" href="{up}_static/icon.svg">'
        text, heads = re.subn(r"<head>", f"<head>\n    {icon}", text, count=1)
        if page.parent.name == "notebooks":
            heads &= text.count("</body>")
            text = text.replace("</body>", BACK.replace("@UP@", up) + "</body>")
        if not heads:
            raise SystemExit(f"{page} is not as expected: has JupyterLite changed?")
        page.write_text(text, "utf-8")
