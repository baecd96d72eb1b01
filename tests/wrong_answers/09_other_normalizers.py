"""Wrong answers to the exercises of notebook 09.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

GRADIENTS = [
    ("dy.sum((0, 1, 2))", "dy.mean((0, 1, 2))", "sums, not means"),
    ("dy.sum((0, 1, 2))", "(gamma * dy).sum((0, 1, 2))", "no part in dβ"),
    ("g - mean(g) - ", "g - ", "mean(g) is missing"),
    (" - xbar * mean(g * xbar)", "", "x̄·mean(g·x̄) is missing"),
    ("(g - mean(g) - xbar * mean(g * xbar))", "g", "both mean terms"),
    ("g - mean(g)", "g + mean(g)", "sign of the mean(g)"),
    ("- xbar * mean", "+ xbar * mean", "sign of the x̄"),
    ("mean(g * xbar)) / sigma", "mean(g * xbar))", "divide by σ"),
]

SPLIT = """split = x.reshape(N, H, W, groups, C // groups)
    mean = lambda a: a.mean((1, 2, 4), keepdims=True)"""

WRONG = {
    "axes": [
        ('"bn": (0, 1, 2)', '"bn": (1, 2, 3)', "LN's axes"),
        ('"bn": (0, 1, 2)', '"bn": (0,)', "positions"),
        ("return {", "{", "dictionary"),
        ('"ln": (1, 2, 3)', '"ln": (0, 1, 2)', "ties them together"),
        ('"ln": (1, 2, 3)', '"ln": (1, 2)', "one channel alone"),
        ('"instance": (1, 2)', '"instance": (1, 2, 3)', "LN's axes"),
        ('"gn": (1, 2, 4)', '"gn": (1, 2, 3)', "counts the groups"),
        ('"gn": (1, 2, 4)', '"gn": (1, 2)', "one channel alone"),
    ],
    "layer_norm_backward": GRADIENTS + [
        ("g = gamma * dy\n    dx = (g", "g = dy\n    dx = gamma * (g", "taken out of the means"),
        ("g = gamma * dy", "g = dy", "γ is missing"),
        ("dx = (g", "mean = lambda a: a.sum((1, 2, 3), keepdims=True)\n    dx = (g",
         "means, not sums"),
        ("g - mean(g)", "g - g.sum((1, 2, 3), keepdims=True)", "in mean(g)."),
        ("(1, 2, 3)", "(0, 1, 2)", "BN's means"),
        ("(1, 2, 3)", "(1, 2)", "Instance Normalization's means"),
        ("xbar * mean(g * xbar)) / sigma",
         "xbar * mean(g * xbar)) / sigma; mean = lambda a: a.mean((0, 1, 2)); "
         "u = (x - mean(x)) / np.sqrt(x.var((0, 1, 2)) + eps); "
         "dx = (g - mean(g) - u * mean(g * u)) / np.sqrt(x.var((0, 1, 2)) + eps)", "BN's means"),
        ("(dy * xbar).sum((0, 1, 2))", "(dy * xbar).mean((0, 1, 2))", "sums, not means"),
        ("(dy * xbar).sum((0, 1, 2))", "(dy * x).sum((0, 1, 2))", "not x"),
        ("(dy * xbar).sum((0, 1, 2))", "(g * xbar).sum((0, 1, 2))", "its own gradient"),
        ("(dy * xbar).sum((0, 1, 2))", "(dy * xbar).sum((1, 2))", "shape"),
        ("return dx,", "return -dx,", "sign"),
    ],
    "group_norm": [
        ("groups, C // groups)", "C // groups, groups)", "C/G groups"),
        (SPLIT, SPLIT.replace("groups, C // groups", "C // groups, groups").replace("4", "3"),
         "every second"),
        ("(1, 2, 4)", "(1, 2, 3, 4)", "LayerNorm"),
        ("(1, 2, 4)", "(1, 2)", "Instance"),
        ("(1, 2, 4)", "(1, 2, 3)", "channels of a group are axis 4"),
        ("(1, 2, 4)", "(0, 1, 2, 4)", "ties the images"),
        ("(1, 2, 4)", "(4,)", "positions of a group"),
        ("mean((split - mean(split)) ** 2)", "split.var((1, 2, 4), ddof=1, keepdims=True)",
         "biased"),
        ("np.sqrt(mean((split - mean(split)) ** 2) + eps)",
         "(split.std((1, 2, 4), keepdims=True) + eps)", "under the root"),
        (" + beta", "", "β is missing"),
        ("gamma * xbar.reshape(x.shape) + beta", "xbar.reshape(x.shape)", "γ and β"),
    ],
    "group_norm_backward": GRADIENTS + [
        ("g = (gamma * dy)", "g = (dy)", "γ is missing"),
        ("(1, 2, 4)", "(1, 2, 3, 4)", "LayerNorm's means"),
        ("groups, C // groups)", "2, C // 2)", "use `groups`"),
        ("    return dx",
         "    dx = library_layer_norm_backward(dy, x, gamma, eps)[0]\n    return dx",
         "LayerNorm's means"),
        ("dx, (dy * xbar.reshape(x.shape))", "dx, (dy * x)", "not x"),
    ],
    "weight_norm_backward": [
        ("(dw * u).sum(axes)", "(dw * v).sum(axes)", "not v"),
        ("(dw * u).sum(axes)", "(dw * g * u).sum(axes)", "not w"),
        ("(dw * u).sum(axes)", "(dw * u).mean(axes)", "not a mean"),
        ("(dw * u).sum(axes)", "dw.sum(axes)", "multiplies u"),
        (" - u * dg", "", "term along u is missing"),
        ("dw - u * dg", "dw + u * dg", "taken away"),
        ("dw - u * dg", "dw - v * dg", "UNIT"),
        ("g / n * (dw", "1 / n * (dw", "g is missing"),
        ("g / n * (dw", "g * (dw", "divide by ‖v‖"),
        ("g / n * (dw", "g / n**2 * (dw", "not twice"),
        ("return g / n", "return -g / n", "sign"),
    ],
    "what_matters": [
        ('"bn": (True,', '"bn": (False,', "bn, mates"),
        ('"bn": (True, True,', '"bn": (True, False,', "bn, contrast"),
        ('"ln": (False, False, True)', '"ln": (False, True, True)', "ln, contrast"),
        ('"gn": (False, False, True)', '"gn": (False, False, False)', "gn, channel"),
        ('"instance": (False, False, False)', '"instance": (False, False, True)',
         "instance, channel"),
        ("return {", "{", "dictionary"),
    ],
}

# Other right answers: (what to replace in the solution, by what).
ALSO_RIGHT = {
    "axes": [("(0, 1, 2)", "(-4, -3, -2)"), ("(1, 2, 4)", "(4, 2, 1)")],
}
