"""Wrong answers to the exercises of notebook 01.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "batch_norm": [
        ("((x - mu_B) ** 2).mean(0)", "x.var(0, ddof=1)", "biased"),
        ("np.sqrt(((x - mu_B) ** 2).mean(0) + eps)", "np.sqrt(((x - mu_B) ** 2).mean(0)) + eps",
         "under the root"),
        (" + eps", "", "ε is missing"),
        ("np.sqrt(((x - mu_B) ** 2).mean(0) + eps)", "((x - mu_B) ** 2).mean(0) + eps",
         "square root"),
        ("np.sqrt(((x - mu_B) ** 2).mean(0) + eps)", "((x - mu_B) ** 2).mean(0)", "ε under it"),
        ("** 2).mean(0)", "** 2).sum(0)", "not a sum"),
        ("x.mean(0)", "x.mean()", "largest error"),
        ("(x - mu_B) / sigma_B", "x / sigma_B", "subtract the mean"),
        ("gamma * xbar + beta, xbar", "gamma * xbar, xbar", "β is missing"),
        ("gamma * xbar + beta, xbar", "xbar, xbar", "scale by γ"),
    ],
    "recover": [
        ("np.sqrt(x.var(0) + eps)", "x.var(0)", "the paper's sentence"),
        ("np.sqrt(x.var(0) + eps)", "x.std(0)", "has ε in it"),
        ("np.sqrt(x.var(0) + eps)", "x.var(0) + eps", "with ε or without"),
        ("x.var(0)", "x.var(0, ddof=1)", "not by m − 1"),
        ("np.sqrt(x.var(0) + eps), x.mean(0)", "x.mean(0), np.sqrt(x.var(0) + eps)", "γ comes first"),
        ("x.mean(0)", "-x.mean(0)", "sign"),
    ],
    "parameters": [
        ("(dy * xbar).sum(0)", "(dy * xbar).mean(0)", "not a mean"),
        ("dy * xbar", "dy * x", "not x"),
        ("(dy * xbar).sum(0)", "-(dy * xbar).sum(0)", "sign"),
        ("(dy * xbar).sum(0)", "(gamma * dy * xbar).sum(0)", "its own gradient"),
        ("(dy * xbar).sum(0)", "dy * xbar", "it should have (3,). one number for each channel"),
        ("dy.sum(0)\n", "dy\n", "it should have (3,). one number for each channel"),
        ("dy.sum(0)\n", "dy.mean(0)\n", "not a mean"),
        ("dy.sum(0)\n", "(gamma * dy).sum(0)\n", "no part"),
        ("return (dy * xbar).sum(0), dy.sum(0)", "dgamma = (dy * xbar).sum(0)", "2 things"),
    ],
    "dsigma": [
        ("-(g", "(g", "minus"),
        ("sigma_B ** 2", "sigma_B", "square"),
        ("-(g * c).sum(0) / sigma_B ** 2", "(g * c).sum(0) / sigma_B", "sign and square"),
        (".sum(0)", ".mean(0)", "not a mean"),
    ],
    "dx": [
        ("g - g.mean(0) - xbar", "g - xbar", "through μ_B is missing"),
        (" - xbar * (g * xbar).mean(0)", "", "through σ_B is missing"),
        ("(g - g.mean(0) - xbar * (g * xbar).mean(0))", "g", "as constants"),
        ("g - g.mean(0)", "g + g.mean(0)", "sign of the mean(g) term"),
        ("- xbar *", "+ xbar *", "sign of the mean(g·x̄) term"),
        ("- g.mean(0) - xbar", "+ g.mean(0) + xbar", "both signs"),
        (".mean(0)", ".mean()", "axis 0"),
        (".mean(0)", ".sum(0)", "means, not sums"),
        ("g.mean(0) -", "g.sum(0) -", "1/m is missing in the way through μ_B"),
        ("xbar).mean(0)", "xbar).sum(0)", "1/m is missing in the way through σ_B"),
        ("xbar * (g * xbar)", "(g * xbar)", "factor x̄"),
        ("g.mean(0) - xbar", "dy.mean(0) - xbar", "missing in the first mean"),
        ("xbar * (g * xbar)", "xbar * (dy * xbar)", "missing in the second mean"),
        ("g.mean(0) - xbar * (g * xbar)", "dy.mean(0) - xbar * (dy * xbar)", "missing in both means"),
        (" / sigma_B", "", "divide by σ_B"),
        (" / sigma_B", " / sigma_B ** 2", "not by its square"),
        ("gamma * dy", "dy", "γ is missing"),
        ("return (g", "return -(g", "sign is wrong"),
        ("return", "dx =", "return"),
    ],
    "slope": [
        ("(2 * h)", "h", "2h"),
        ("dy * (", "(", "dy is missing"),
        ("h * v", "h", "along v"),
        ("f(x - h * v))).sum() / (2 * h)", "f(x))).sum() / h", "both sides"),
        (".sum()", "", "sum over all entries"),
        ("return (dy", "h = 1e-5\n    return (dy", "the h that is handed in"),
        ("return (dy * (f(x + h * v) - f(x - h * v))).sum() / (2 * h)",
         "return (dy * np.cos(x) * v).sum()", "any function"),
    ],
    "bug": [
        ("(student)", "(ada)", "something is wrong there"),
        ('"none"', '"dx"', "what it should be"),
        ("return {student.__name__: check_all(student) for student in (ada, ben, cleo, dan)}",
         "return check_all(ben)", "a dict"),
        ("1e-4", "10", "random v"),
    ],
    "scale": [
        ("1, 1 / 5", "5, 1 / 5", "takes the scale"),
        ("1, 1 / 5", "1, 5", "other way round"),
        ("1, 1 / 5", "1, 1", "although y does not"),
    ],
}

# Other right answers: (what to replace in the solution, by what).
ALSO_RIGHT = {
    "dx": [("g.mean(0)", "g.sum(0) / len(g)"), ("gamma * dy", "np.multiply(dy, gamma)")],
}
