"""Wrong answers to the exercises of notebook 06.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "size": [
        (" + 1", "", "one is missing"),
        ("2 * P", "P", "both sides"),
        ("H + 2 * P - k", "H - k", "padding is missing"),
        ("-(-room // s) if ceil else room // s", "room // s", "rounded down"),
    ],
    "forward": [
        (" + b", "", "bias is missing"),
        ("w.reshape(-1, w.shape[-1])", "w[::-1, ::-1].reshape(-1, w.shape[-1])", "turned by 180"),
        ("w.reshape(-1, w.shape[-1])", "w.swapaxes(0, 1).reshape(-1, w.shape[-1])", "exchanged"),
        ("w.reshape(-1, w.shape[-1])", "np.moveaxis(w, 3, 0).reshape(-1, w.shape[-1])",
         "do not transpose"),
        ("return Y.reshape(*seen.shape[:3], w.shape[-1])", "return Y", "shape"),
    ],
    "kernel": [
        ("(X.T @ dY)", "(X.T @ dY / len(seen))", "1/N belongs to the loss"),
        ("(X.T @ dY)", "(X.T @ dY / len(X))", "all positions"),
        ("X.T @ dY", "-X.T @ dY", "sign"),
        ("dY.sum(0)", "dY.mean(0)", "all positions"),
        ("dY.sum(0)", "dY.sum(0) / len(seen)", "1/N belongs to the loss"),
        ("return dw, dY.sum(0)", "return dw", "two arrays"),
        ("return dw,", "return dw[::-1, ::-1],", "turn belongs to dx"),
    ],
    "input": [
        ("w[::-1, ::-1].swapaxes(2, 3)", "w.swapaxes(2, 3)", "not turned"),
        ("w[::-1, ::-1].swapaxes(2, 3)", "w[::-1, ::-1]", "not exchanged"),
        ("w[::-1, ::-1].swapaxes(2, 3)", "w", "forward pass"),
        ("w[::-1, ::-1].swapaxes(2, 3)", "w[::-1, ::-1, ::-1, ::-1]", "all four axes"),
        ("w[::-1, ::-1].swapaxes(2, 3)", "w.swapaxes(0, 1).swapaxes(2, 3)", "transposed kernel"),
        ("len(w) - 1 - P", "len(w) - 1", "padding"),
    ],
    "pool": [
        ("dx[place] += winner * dy[:, i, j][:, None, None]",
         "dx[place] = np.where(winner, dy[:, i, j][:, None, None], dx[place])", "add, do not"),
        ("dx[place] +=", "dx[place] =", "wipes out"),
        ("winner * dy", "dy", "only the winner"),
        ("winner * dy[:, i, j][:, None, None]", "dy[:, i, j][:, None, None] / k ** 2", "average"),
        ("return dx", "dx", "return"),
    ],
    "softmax": [
        ("p / len(z)", "p", "1/N is missing"),
        ("p / len(z)", "-p / len(z)", "not truth minus"),
        ("p / len(z)", "p / z.size", "not by the number of all logits"),
        ("p[np.arange(len(z)), labels] -= 1", "pass", "right class is missing"),
        ("p[np.arange(len(z)), labels] -= 1", "p[np.arange(len(z)), labels] -= labels",
         "class's number"),
        ("z - z.max(1, keepdims=True)", "z", "overflows"),
        ("e.sum(1, keepdims=True)", "e.sum(0)", "largest error"),
        ("e = np.exp(z - z.max(1, keepdims=True))", "z -= z.max(); e = np.exp(z)", "copy"),
    ],
    "count": [
        ("9 * C", "C", "9 places"),
        ("9 * C * filters", "9 * C * filters + filters", "biases"),
        ("[3, a, a, a,", "[a, a, a, a,", "3 input channels"),
    ],
    "bugs": [
        ("dy = draw.normal(size=forward(x).shape)", "dy = np.ones(forward(x).shape)", "says nothing"),
        ("x = draw.normal(size=shape)", "x = np.maximum(draw.normal(size=shape), 0)", "kink"),
        ("return wrong", "return wrong - {'average'}", "hang over"),
        ("return wrong", "return wrong - {'bn'}", "a normalisation"),
        ("return wrong", "return {'bn', 'average', 'conv'}", "conv is right"),
    ],
    "repair": [
        (" - xbar * (dy * xbar).mean((0, 1, 2))", "", "what the colleague has"),
        (" - dy.mean((0, 1, 2))", "", "keep it"),
        ("- xbar * (dy", "- (dy", "factor x̄"),
        ("- xbar * (dy", "+ xbar * (dy", "minus"),
        ("(dy * xbar)", "(dy * x)", "not x"),
    ],
    "repair-average": [
        ("(rows * columns)", "9", "what the colleague has"),
        (" / (rows * columns)", "", "divided by the number"),
        ("dx[place] +=", "dx[place] =", "largest error"),
    ],
}
