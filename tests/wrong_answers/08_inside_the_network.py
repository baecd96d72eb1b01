"""Wrong answers to the exercises of notebook 08.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "channel_moments": [
        ("x.mean((0, 1, 2))", "x.mean((1, 2))", "shape"),
        ("x.var((0, 1, 2))", "x.var((0, 1, 2), ddof=1)", "biased"),
        ("x.var((0, 1, 2))", "x.std((0, 1, 2))", "not its root"),
        ("x.var((0, 1, 2))", "x.var((1, 2)).mean(0)", "images' own"),
        ("x.var((0, 1, 2))", "(x**2).mean((0, 1, 2))", "squared mean"),
        ("x.var((0, 1, 2))", "x.var()", "shape"),
        ("x.mean((0, 1, 2)), x.var((0, 1, 2))", "x.var((0, 1, 2))", "means, variances"),
    ],
    "relu_moments": [
        ("mean = beta * Phi + ", "mean = ", "part with β"),
        ("mean = beta * Phi + gamma * phi", "mean = beta * Phi", "part with γ"),
        ("mean = beta * Phi + gamma * phi", "mean = beta * Phi + phi", "γ multiplies z"),
        ("mean = beta * Phi + gamma * phi", "mean = beta + gamma * phi / Phi", "the zeros count"),
        (" - mean**2", "", "subtract the squared mean"),
        ("square - mean**2", "square - mean", "not the mean"),
        ("square - mean**2", "sqrt(square - mean**2)", "the deviation"),
        ("square - mean**2", "gamma**2", "BEFORE"),
        (" + 2 * beta * gamma * phi", "", "cross term is missing"),
        (" + 2 * beta * gamma * phi", " + beta * gamma * phi", "comes twice"),
        ("(Phi - k * phi)", "Phi", "not Φ(k) alone"),
    ],
    "within_and_between": [
        ("variances.mean(), means.var()", "means.var(), variances.mean()", "exchanged"),
        ("variances.mean()", "x.var()", "all values together"),
        ("variances.mean()", "variances.sum()", "not the sum"),
        ("means.var()", "means.var(ddof=1)", "number of channels"),
        ("means.var()", "means.mean()", "not their mean"),
        ("means.var()", "means.std()", "not its root"),
        ("means.var()", "(means**2).mean()", "mean of all values"),
        ("variances.mean()", "(x**2).mean()", "own mean"),
    ],
    "compare": [
        ("b - a", "a - b", "other way round"),
        ("difference.std(ddof=1)", "np.sqrt(a.var(ddof=1) + b.var(ddof=1))", "shared"),
        (" / np.sqrt(n)", "", "√n"),
        ("ddof=1", "ddof=0", "n − 1"),
        ("T[n - 1]", "1.96", "Student"),
        ("T[n - 1] * ", "", "standard error"),
        ("T[n - 1]", "T[n]", "not to n"),
        ('"cannot tell" if abs(mean) <= half else ', "", "decides nothing"),
        ("mean < 0", "mean > 0", "which side"),
        ('"cannot tell"', '"unclear"', "What is"),
    ],
}
