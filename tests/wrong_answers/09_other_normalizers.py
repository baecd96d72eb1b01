"""Wrong answers to the exercises of notebook 09.

For each exercise: (what to replace in the solution, by what, words of the hint that must come);
None in the first place replaces the whole solution.
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
        ('"bn": (0, 1, 2)', '"bn": (1, 2, 3)', "axes of LayerNorm"),
        ('"bn": (0, 1, 2)', '"bn": (0,)', "positions"),
        ("return {", "{", "a dict"),
        ('"ln": (1, 2, 3)', '"ln": (0, 1, 2)', "depend on each other"),
        ('"ln": (1, 2, 3)', '"ln": (1, 2)', "Instance Normalization"),
        ('"instance": (1, 2)', '"instance": (1, 2, 3)', "axes of LayerNorm"),
        ('"gn": (1, 2, 4)', '"gn": (1, 2, 3)', "counts the groups"),
        ('"gn": (1, 2, 4)', '"gn": (1, 2)', "channels of a group share a mean"),
        ('"gn": (1, 2, 4)', '"gn": (4,)', "positions"),
        ('"gn": (1, 2, 4)', '"gn": (1, 2, 5)', "the axes 0 to 4"),
        ('"ln": (1, 2, 3)', '"ln": (1, 2, 4)', "the axes 0 to 3"),
        ('"ln": (1, 2, 3)', '"ln": (3,)', "positions"),
        ('"instance": (1, 2)', '"instance": (0, 1, 2)', "depend on each other"),
        ('"bn": (0, 1, 2)', '"bn": (1, 2)', "Instance Normalization"),
        ('"bn": (0, 1, 2)', '"bn": 0', "a tuple of axes"),
        ('"bn": (0, 1, 2)', '"bn": "NHW"', "a tuple of axes"),
        (', "gn": (1, 2, 4)', "", "nothing for gn"),
        (None, 'return dict.fromkeys(("bn", "ln", "instance", "gn"), (0, 1, 2))', "0 of 2 points"),
        (None, 'return dict.fromkeys(("bn", "ln", "instance", "gn"), (1, 2))', "0 of 2 points"),
        (None, 'return (0, 1, 2), (1, 2, 3), (1, 2), (1, 2, 4)', "a dict"),
    ],
    "layer_norm_backward": GRADIENTS + [
        ("g = gamma * dy\n    dx = (g", "g = dy\n    dx = gamma * (g", "moved out of the means"),
        ("g = gamma * dy", "g = dy", "γ is missing"),
        ("dx = (g", "mean = lambda a: a.sum((1, 2, 3), keepdims=True)\n    dx = (g",
         "means, not sums"),
        ("g - mean(g)", "g - g.sum((1, 2, 3), keepdims=True)", "in mean(g)."),
        ("(1, 2, 3)", "(0, 1, 2)", "BN's means"),
        ("(1, 2, 3)", "(1, 2)", "means of Instance Normalization"),
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
        ("(1, 2, 4)", "(0, 1, 2, 4)", "depend on one another"),
        ("(1, 2, 4)", "(4,)", "positions of a group"),
        ("mean((split - mean(split)) ** 2)", "split.var((1, 2, 4), ddof=1, keepdims=True)",
         "biased"),
        ("np.sqrt(mean((split - mean(split)) ** 2) + eps)",
         "(split.std((1, 2, 4), keepdims=True) + eps)", "under the root"),
        (" + beta", "", "β is missing"),
        ("gamma * xbar.reshape(x.shape) + beta", "xbar.reshape(x.shape)", "γ and β"),
        ("gamma * xbar", "xbar", "γ is missing"),
        (" + eps", "", "ε is missing"),
        ("np.sqrt(mean((split - mean(split)) ** 2) + eps)", "(mean((split - mean(split)) ** 2) + eps)",
         "not by the variance"),
        ("groups, C // groups)", "2, C // 2)", "use `groups`"),
        ("xbar.reshape(x.shape)", "xbar", "0 of 3"),
        ("return gamma", "y = gamma", "None"),
        (None, "from minibn import functional\nreturn functional.group_norm(x, gamma, beta, groups, eps)[0]",
         "Not an answer"),
        (None, "return x", "0 of 3"),
    ],
    "group_norm_backward": GRADIENTS + [
        ("g = (gamma * dy)", "g = (dy)", "γ is missing"),
        ("(1, 2, 4)", "(1, 2, 3, 4)", "LayerNorm's means"),
        ("groups, C // groups)", "2, C // 2)", "use `groups`"),
        ("    return dx",
         "    dx = layer_norm_backward(dy, x, gamma, eps)[0]\n    return dx",
         "LayerNorm's means"),
        ("dx, (dy * xbar.reshape(x.shape))", "dx, (dy * x)", "not x"),
    ],
    "weight_norm_backward": [
        ("(dw * u).sum(axes)", "(dw * v).sum(axes)", "not v"),
        ("(dw * u).sum(axes)", "(dw * g * u).sum(axes)", "not w"),
        ("(dw * u).sum(axes)", "(dw * u).mean(axes)", "not a mean"),
        ("(dw * u).sum(axes)", "dw.sum(axes)", "multiplies u"),
        (" - u * dg", "", "term along u is missing"),
        ("dw - u * dg", "dw + u * dg", "it is subtracted"),
        ("dw - u * dg", "dw - v * dg", "unit direction"),
        ("g / n * (dw", "1 / n * (dw", "g is missing"),
        ("g / n * (dw", "g * (dw", "divide by ‖v‖"),
        ("g / n * (dw", "g / n**2 * (dw", "not twice"),
        ("return g / n", "return -g / n", "sign"),
        ("dw - u * dg", "dw - u", "factor Σ(dw·u)"),
        ("dw - u * dg", "-u * dg", "dw is missing"),
        ("(v**2).sum(axes)", "(v**2).sum()", "one for all"),
        (", dg\n", "\n", "2 things"),
        ("g / n * (dw - u * dg), dg", "dg, g / n * (dw - u * dg)", "shape"),
        ("return g", "g", "2 things"),
        (None, "from minibn import functional\nreturn functional.weight_norm_backward("
               "dw, functional.weight_norm(v, g)[1])", "Not an answer"),
    ],
    "what_matters": [
        ('"bn": (True,', '"bn": (False,', "bn, mates"),
        ('"bn": (True, True,', '"bn": (True, False,', "bn, contrast"),
        ('"ln": (False, False, True)', '"ln": (False, True, True)', "ln, contrast"),
        ('"gn": (False, False, True)', '"gn": (False, False, False)', "gn, channel"),
        ('"instance": (False, False, False)', '"instance": (False, False, True)',
         "instance, channel"),
        ("return {", "{", "a dict"),
        ('"bn": (True, True, False)', '"bn": (True, True, True)', "bn, channel"),
        ('"ln": (False,', '"ln": (True,', "ln, mates"),
        ('"ln": (False, False, True)', '"ln": (False, False, False)', "ln, channel"),
        ('"gn": (False,', '"gn": (True,', "gn, mates"),
        ('"gn": (False, False,', '"gn": (False, True,', "gn, contrast"),
        ('"instance": (False,', '"instance": (True,', "instance, mates"),
        ('"instance": (False, False,', '"instance": (False, True,', "instance, contrast"),
        ('"bn": (True, True, False)', '"bn": "yes, yes, no"', "three answers"),
        ('"bn": (True, True, False)', '"bn": (True, True)', "three answers"),
        ('"bn": (True, True, False)', '"bn": (None, None, None)', "True or False"),
        (None, 'return dict.fromkeys(("bn", "ln", "gn", "instance"), (False, False, True))', "0 of 2"),
        (None, 'return dict.fromkeys(("bn", "ln", "gn", "instance"), (True, True, True))', "0 of 2"),
        (None, 'return dict.fromkeys(("bn", "ln", "gn", "instance"), (False, False, False))', "0 of 2"),
    ],
}

# Other right answers: (what to replace in the solution, by what).
ALSO_RIGHT = {
    "group_norm": [(None, "shape = x.shape\na = x.reshape(N, -1, groups, C // groups)\n"
                          "m, v = a.mean((1, 3), keepdims=True), a.var((1, 3), keepdims=True)\n"
                          "return gamma * ((a - m) / (v + eps) ** 0.5).reshape(shape) + beta")],
    "weight_norm_backward": [(None, "n = np.linalg.norm(v.reshape(-1, v.shape[-1]), axis=0)\n"
                                    "dg = np.einsum('hwio,hwio->o', dw, v) / n\n"
                                    "return [g * dw / n - g * dg * v / n**2, dg]")],
    "axes": [("(0, 1, 2)", "(-4, -3, -2)"), ("(1, 2, 4)", "(4, 2, 1)")],
}
