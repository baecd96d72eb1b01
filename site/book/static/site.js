// Small help for readers; every page works without it.

// A figure opens by itself, so that its labels can be read on a phone.
document.addEventListener("DOMContentLoaded", () => {
  for (const image of document.querySelectorAll(".cell_output img, article p > img")) {
    if (image.closest("a")) continue;
    const link = document.createElement("a");
    link.href = image.currentSrc || image.src;
    link.className = "figure";
    link.title = "Open the figure by itself";
    image.replaceWith(link);
    link.append(image);
  }
  // A formula and the mark that follows it stay on one line.
  for (const formula of document.querySelectorAll("article span.math")) {
    const mark = formula.nextSibling?.nodeType === Node.TEXT_NODE
      && formula.nextSibling.data.match(/^[.,;:!?)\]’”%]+/)?.[0];
    if (!mark) continue;
    const together = document.createElement("span");
    together.className = "together";
    formula.nextSibling.splitText(mark.length);
    formula.before(together);
    together.append(formula, together.nextSibling);
  }
  // Excerpts in the search's results begin with the text of a page, not with its buttons and the
  // note below them.
  if (typeof Search !== "undefined" && Search.htmlToText) {
    const toText = Search.htmlToText;
    Search.htmlToText = (html, ...rest) =>
      toText(html.replace(/<(nav|div) class="live[\s\S]*?<\/\1>/g, ""), ...rest);
  }
});
