"""Wrong answers to the exercises of notebook 04.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

CORRECTED = "(1 - alpha) * alpha ** (t - i) / (1 - alpha**t)"
VARIANCE = "(1 - alpha) / (1 + alpha) * (1 + alpha**t) / (1 - alpha**t)"

WRONG = {
    "average": [
        ("alpha * s + (1 - alpha) * v_t", "(1 - alpha) * s + alpha * v_t", "OLD average"),
        ("s, raw, corrected = 0.0", "s, raw, corrected = 1.0", "not at 1"),
        ("s, raw, corrected = 0.0", "s, raw, corrected = v[0]", "not at the first value"),
        ("s = alpha * s + (1 - alpha) * v_t",
         "s = (alpha * s + (1 - alpha) * v_t) / (1 - alpha**t)", "slip 1"),
        ("corrected.append(s / (1 - alpha**t))", "s = s / (1 - alpha**t); corrected.append(s)",
         "started from the corrected"),
        ("s / (1 - alpha**t)", "s", "this is the raw average"),
        ("s / (1 - alpha**t)", "s / (1 - alpha)", "add up to 1 − αᵗ"),
        ("s / (1 - alpha**t)", "s / (1 - alpha**(2 * t))", "slip 2"),
        ("s / (1 - alpha**t)", "s / (1 - alpha**(2 * t - 1))", "slip 2"),
        ("start=1", "start=0", "zero"),
        ("s / (1 - alpha**t)", "s / (1 - alpha**(t + 1))", "not 2"),
        ("return np.array(raw), np.array(corrected)", "return np.array(corrected)",
         "raw, corrected"),
        ("return np.array(raw), np.array(corrected)", "return np.array(corrected), np.array(raw)",
         "the raw one comes first"),
        ("return np.array(raw), np.array(corrected)",
         "return np.array(raw), np.array(raw) / (1 - 0.9 ** np.arange(1, len(v) + 1))", "nor in"),
        ("s, raw, corrected = 0.0", "alpha = 0.9; s, raw, corrected = 0.0", "α is an argument"),
    ],
    "weights": [
        ("(t - i)", "(i - 1)", "wrong way"),
        (" / (1 - alpha**t)", "", "raw average"),
        ("(t - i)", "(t - i + 1)", "one power of α too many"),
        (CORRECTED, "(1 - alpha) * alpha ** (t - i + 1)", "in raw weights"),
        ("(1 - alpha) * ", "", "1 − α is missing"),
        (CORRECTED, "alpha ** (t - i)", "neither"),
    ],
    "variance": [
        (" * (1 + alpha**t) / (1 - alpha**t)", " + 0 * t", "limit"),
        (" * (1 + alpha**t) / (1 - alpha**t)", "", "limit"),
        ("(1 + alpha**t) / (1 - alpha**t)", "(1 - alpha**(2 * t))", "raw average"),
        (" / (1 - alpha**t)", "", "by c², not by c"),
        ("return " + VARIANCE, "return 1 + 0 * t", "not squared"),
        ("return " + VARIANCE, f"return np.sqrt({VARIANCE})", "leave the root out"),
        ("return " + VARIANCE, f"return 1 / ({VARIANCE})", "upside down"),
    ],
    "mean_square_errors": [
        ("(alpha**t * mean) ** 2", "alpha**t * mean", "squared"),
        ("(alpha**t * mean) ** 2", "((1 - alpha**t) * mean) ** 2", "E[s] itself"),
        (" + (1 - alpha**t) ** 2 * scatter", "", "scatter is missing"),
        ("(alpha**t * mean) ** 2 + ", "", "bias is missing"),
        ("(1 - alpha**t) ** 2 * scatter", "scatter", "it scatters less"),
        ("sd**2", "sd", "needs sd²"),
        ("scatter, scatter", "scatter, scatter + (alpha**t * mean) ** 2", "no bias"),
        ("return (alpha**t * mean) ** 2 + (1 - alpha**t) ** 2 * scatter, scatter",
         "return scatter, (alpha**t * mean) ** 2 + (1 - alpha**t) ** 2 * scatter",
         "the raw one comes first"),
    ],
    "steps_until": [
        (" + 1", "", "one too few"),
        (" + 1", " + 2", "one too many"),
        ("share / (1 + share)", "share", "αᵗ < share"),
        ("int(np.floor(", "(np.ceil(", "an int"),
        ("int(np.floor(np.log(share / (1 + share)) / np.log(alpha))) + 1",
         "int(np.ceil(np.log(share / (1 + share)) / np.log(alpha)))", "floor(u) + 1"),
    ],
    "diagnosis": [
        ('"A": "drift", "B": "few", "C": "raw"', '"A": "raw", "B": "few", "C": "drift"',
         "almost 0"),
        ('"A": "drift", "B": "few"', '"A": "few", "B": "drift"', "EVERY step"),
        ('"few"', '"bias"', "The names"),
    ],
    "repair_factor": [
        ("np.sqrt(m / 2) * gamma((m - 1) / 2) / gamma(m / 2)",
         "np.sqrt(2 / m) * gamma(m / 2) / gamma((m - 1) / 2)", "one over it"),
        ("np.sqrt(m / 2) * gamma((m - 1) / 2) / gamma(m / 2)", "np.sqrt(m / (m - 1))", "Bessel"),
        ("np.sqrt(m / 2) * gamma((m - 1) / 2) / gamma(m / 2)", "m / (m - 1)", "variance"),
        ("np.sqrt(m / 2)", "np.sqrt((m - 1) / 2)", "m − 1"),
    ],
}
