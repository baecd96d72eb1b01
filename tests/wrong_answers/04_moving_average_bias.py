"""Wrong answers to the exercises of notebook 04.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

CORRECTED = "(1 - alpha) * alpha ** (t - i) / (1 - alpha**t)"
VARIANCE = "(1 - alpha) / (1 + alpha) * (1 + alpha**t) / (1 - alpha**t)"
STEPS = "int(np.floor(np.log(share / (1 + share)) / np.log(alpha))) + 1"
LOOP = "t = 1\nwhile 1 / (1 - alpha**t) - 1 {} share:\n    t += 1\nreturn t"
FACTOR = "np.sqrt(m / 2) * gamma((m - 1) / 2) / gamma(m / 2)"
FROM_C = "alpha**t * c + (1 - alpha**t) * mean"
FIRST = "w + (1 - alpha) / (1 + alpha) * (1 - w)"

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
        ("s / (1 - alpha**t)", "s * (1 - alpha**t)", "do not multiply"),
        ("start=1", "start=0", "zero"),
        ("s / (1 - alpha**t)", "s / (1 - alpha**(t + 1))", "not 2"),
        ("return np.array(raw), np.array(corrected)", "return np.array(corrected)",
         "raw, corrected"),
        ("return np.array(raw), np.array(corrected)", "return np.array(corrected), np.array(raw)",
         "the raw one comes first"),
        ("return np.array(raw), np.array(corrected)", "return np.array(corrected), np.array(raw)",
         "the corrected one comes second"),
        ("return np.array(raw), np.array(corrected)",
         "return np.array(raw), np.array(raw) / (1 - 0.9 ** np.arange(1, len(v) + 1))", "nor in"),
        ("s, raw, corrected = 0.0", "alpha = 0.9; s, raw, corrected = 0.0", "α is an argument"),
        ("(1 - alpha) * v_t", "v_t", "needs the factor 1 − α"),
        (None, "return None", "raw, corrected"),
        (None, "return raw, corrected", "NameError"),
        ("return np.array(raw), np.array(corrected)",
         "return np.array(raw)[:, None], np.array(corrected)[:, None]", "it should have (12,)"),
        ("s / (1 - alpha**t)", "s / (1 - alpha * t)", "the corrected average: not equal"),
        ("s / (1 - alpha**t)", "s / (1 - alpha**len(v))", "the corrected average: not equal"),
        (None, "raw = np.zeros_like(v)\nfor t in range(len(v)):\n"
               "    raw[t] = alpha * (raw[t - 1] if t else 0) + (1 - alpha) * v[t]\n"
               "return raw, raw / (1 - alpha ** np.arange(1, len(v) + 1))", "np.zeros(len(v))"),
        (None, "raw, s = np.zeros_like(v), 0.0\nfor t in range(len(v)):\n"
               "    raw[t] = s = alpha * s + (1 - alpha) * v[t]\n"
               "return raw, raw / (1 - alpha ** np.arange(1, len(v) + 1))", "np.zeros(len(v))"),
        (None, "from minibn.norms.moving_average import update_average\n"
               "return update_average(v, v, alpha), v", "it calls minibn"),
    ],
    "weights": [
        ("(t - i)", "(i - 1)", "wrong way"),
        (CORRECTED, "(1 - alpha) * alpha ** (i - 1)", "wrong way, and they are those of the raw"),
        (" / (1 - alpha**t)", "", "raw average"),
        ("(t - i)", "(t - i + 1)", "one power of α too many"),
        (CORRECTED, "(1 - alpha) * alpha ** (t - i + 1)", "in raw weights"),
        ("(1 - alpha) * ", "", "1 − α is missing"),
        (CORRECTED, "alpha ** (t - i)", "powers of α alone"),
        (CORRECTED, "np.ones(t) / t", "no plain mean"),
        (CORRECTED, f"({CORRECTED}).sum()", "one weight for each value"),
        ("np.arange(1, t + 1)", "np.arange(t)", "one power of α too many"),
        ("(t - i)", "i", "the exponent is the age"),
        ("i = np", "alpha = 0.8; i = np", "α is an argument"),
        (None, "i = np.arange(1, t)\nreturn (1 - alpha) * alpha ** (t - i) / (1 - alpha**t)",
         "shape (5,)"),
        ("return " + CORRECTED, f"return ({CORRECTED})[:, None]", "it should have (6,)"),
        ("/ (1 - alpha**t)", "/ (1 - alpha**i)", "not equal"),
        (None, "return None", "is None"),
    ],
    "variance": [
        (" * (1 + alpha**t) / (1 - alpha**t)", " + 0 * t", "limit"),
        (" * (1 + alpha**t) / (1 - alpha**t)", "", "limit"),
        ("(1 + alpha**t) / (1 - alpha**t)", "(1 - alpha**(2 * t))", "raw average"),
        (" / (1 - alpha**t)", "", "by c², not by c"),
        ("return " + VARIANCE, "return 1 + 0 * t", "not squared"),
        ("return " + VARIANCE, "return 1", "not squared"),
        ("return " + VARIANCE, f"return np.sqrt({VARIANCE})", "leave the root out"),
        ("return " + VARIANCE, f"return 1 / ({VARIANCE})", "upside down"),
        ("(1 - alpha) / (1 + alpha)", "(1 + alpha) / (1 - alpha)", "not its inverse"),
        ("(1 + alpha**t) / (1 - alpha**t)", "(1 - alpha**t) / (1 + alpha**t)", "not its inverse"),
        ("(1 - alpha) / (1 + alpha)", "(1 - alpha)", "1 − α² = (1 − α)(1 + α)"),
        (VARIANCE, "1 / t", "a plain mean of t values"),
        ("return ", "alpha = 0.9; return ", "α is an argument"),
        (None, 'return "(1 - a) / (1 + a)"', "should be numbers"),
        (None, "return (weights(alpha, t) ** 2).sum()", "It stopped with"),
        (None, "return np.array([(weights(alpha, n) ** 2).sum() for n in t])", "not iterable"),
        ("return ", "t = np.atleast_1d(t); return ", "if t is one number, return one number"),
    ],
    "mean_square_errors": [
        ("(alpha**t * mean) ** 2", "alpha**t * mean", "squared"),
        ("(alpha**t * mean) ** 2", "-(alpha**t * mean) ** 2", "square is positive"),
        ("(alpha**t * mean) ** 2", "((1 - alpha**t) * mean) ** 2", "E[s_t] itself"),
        (" + (1 - alpha**t) ** 2 * scatter", "", "scatter is missing"),
        ("(alpha**t * mean) ** 2 + ", "", "bias is missing"),
        ("(1 - alpha**t) ** 2 * scatter", "scatter", "it scatters less"),
        ("(1 - alpha**t) ** 2 * scatter", "(1 - alpha**t) * scatter", "squared"),
        ("sd**2", "sd", "needs sd²"),
        ("scatter, scatter", "scatter, scatter + (alpha**t * mean) ** 2", "no bias"),
        ("scatter, scatter", "scatter, (1 - alpha**t) ** 2 * scatter", "variance of the raw"),
        ("return (alpha**t * mean) ** 2 + (1 - alpha**t) ** 2 * scatter, scatter",
         "return scatter, (alpha**t * mean) ** 2 + (1 - alpha**t) ** 2 * scatter",
         "the raw one comes first"),
        ("(alpha**t * mean)", "(alpha**t * sd)", "sd has no part in it"),
        ("(alpha**t * mean)", "(alpha * mean)", "αᵗ, not α"),
        ("scatter, scatter", "scatter, scatter ** 0.5", "mean SQUARE error"),
        ("sd**2 * variance", "variance", "sd is missing"),
        ("sd**2", "mean**2", "the mean has no part in it"),
        ("scatter = ", "t = len(range(t)); scatter = ", "It stopped with TypeError"),
        (None, "q = alpha**t\nscatter = sd**2 * variance(alpha, t)\n"
               "return np.mean((q * mean) ** 2 + (1 - q) ** 2 * scatter), scatter",
         "the raw average's errors for an array t"),
        (None, "q = alpha**t\nscatter = sd**2 * variance(alpha, t)\n"
               "return (q * mean) ** 2 + (1 - q) ** 2 * scatter, np.mean(scatter)",
         "the corrected average's errors for an array t"),
    ],
    "steps_until": [
        (" + 1", "", "one too few"),
        (" + 1", " + 2", "one too many"),
        (" + 1", " + 3", "two too many"),
        ("share / (1 + share)", "share", "αᵗ < share"),
        ("share / (1 + share)", "share / (1 - share)", "not share/(1 − share)"),
        ("share / (1 + share)", "1 - share", "taken up a share"),
        (STEPS, "int(np.ceil(np.log(share / (1 + share)) / np.log(alpha)))", "floor(u) + 1"),
        (STEPS, "np.log(share / (1 + share)) / np.log(alpha)", "whole number"),
        (STEPS, f"-({STEPS})", "the sign"),
        (None, LOOP.format(">"), "in a loop go on while it is >= share"),
        (None, LOOP.format("<"), "not equal"),
        (None, LOOP.replace("t = 1", "t = 0").format(">="), "ZeroDivisionError"),
        (None, LOOP.replace("return t", "return t - 1").format(">="), "one too few"),
        (None, LOOP.replace("return t", "return t + 1").format(">="), "one too many"),
        (None, "return 460", "not equal"),
        (None, "t = np.arange(1, 10_000)\nreturn int(t[alpha**t / (1 - alpha**t) < share][0])",
         "IndexError"),
        (None, "t = np.arange(10_000)\n"
               "return int(np.argmax(1 / np.maximum(1 - alpha**t, 1e-9) - 1 < share))",
         "the step for α = 0.9999, share 0.01"),
        (None, "return np.arange(5)", "a single number"),
        (None, 'return "460"', "should be numbers"),
    ],
    "diagnosis": [
        ('"A": "drift", "B": "few", "C": "raw"', '"A": "raw", "B": "few", "C": "drift"',
         "almost 0"),
        ('"A": "drift", "B": "few"', '"A": "few", "B": "drift"', "EVERY step"),
        ('"A": "drift", "B": "few"', '"A": "few", "B": "drift"', "grows while σ changes"),
        ('"A": "drift", "B": "few", "C": "raw"', '"A": "drift", "B": "raw", "C": "few"',
         "begins at almost 0"),
        ('"A": "drift", "B": "few", "C": "raw"', '"A": "few", "B": "raw", "C": "drift"',
         "EVERY step"),
        ('"A": "drift", "B": "few", "C": "raw"', '"A": "raw", "B": "drift", "C": "few"',
         "begins at almost 0"),
        ('"few"', '"bias"', "The names"),
        ('"A": "drift", ', "", "Return {"),
        ('"A": "drift"', '"A": "few"', "belongs to one layer"),
        ('"A": "drift", "B": "few"', '"A": "raw", "B": "raw"', "belongs to one layer"),
        (None, 'return "drift", "few", "raw"', "Return {"),
        (None, 'return {"a": "drift", "b": "few", "c": "raw"}', "Return {"),
        (None, 'return {"A": 1, "B": 2, "C": 3}', "The names"),
    ],
    "repair_factor": [
        (FACTOR, "np.sqrt(2 / m) * gamma(m / 2) / gamma((m - 1) / 2)", "its inverse"),
        (FACTOR, "np.sqrt(m / (m - 1))", "Bessel"),
        (FACTOR, "m / (m - 1)", "variance"),
        ("np.sqrt(m / 2)", "np.sqrt((m - 1) / 2)", "m − 1"),
        ("np.sqrt(m / 2)", "np.sqrt(2 / m)", "not √(2/m)"),
        ("np.sqrt(m / 2)", "(m / 2)", "root is missing"),
        ("gamma((m - 1) / 2) / gamma(m / 2)", "gamma(m / 2) / gamma((m - 1) / 2)",
         "upside down"),
        ("np.sqrt(m / 2) * ", "", "is missing"),
        (FACTOR, f"({FACTOR}) ** 2", "square of the factor"),
        (FACTOR, "1.1894", "largest error"),
        (FACTOR, "np.sqrt((m - 1) / m)", "largest error"),
        (FACTOR, "1.0", "largest error"),
        ("gamma((m - 1) / 2)", "gamma((m - 1) // 2)", "with //"),
        ("gamma((m - 1) / 2)", "gamma((m - 2) / 2)", "gamma was called with 0"),
        (None, "return None", "numbers"),
    ],
    "expected_from": [
        (FROM_C, "(1 - alpha**t) * mean", "the term with s_0 = c is missing"),
        (FROM_C, "alpha**t * c", "the batches are missing"),
        (FROM_C, "(1 - alpha**t) * c + alpha**t * mean", "exchanged"),
        (FROM_C, "alpha**t * c + mean", "not to 1"),
        (FROM_C, "c + (1 - alpha**t) * mean", "αᵗ·c remains"),
        ("alpha**t", "alpha**(t - 1)", "one power of α too few"),
        ("alpha**t", "alpha**(t + 1)", "one power of α too many"),
        ("alpha**t", "alpha", "α, not αᵗ"),
        (FROM_C, "alpha**t * (c - mean)", "that is the bias"),
        (FROM_C, "mean", "for large t"),
        (FROM_C, "mean - alpha**t * (c - mean)", "the sign"),
        (FROM_C, f"({FROM_C}) / (1 - alpha**t)", "only E[s_t] is asked"),
        ("return ", "alpha = 0.9; return ", "α is an argument"),
        (None, "return", "is None"),
    ],
    "debias": [
        ("(s - alpha**t * c)", "s", "subtract what is left of the start"),
        (" / (1 - alpha**t)", "", "now divide by"),
        ("alpha**t * c", "c", "not 1"),
        ("alpha**t * c", "(1 - alpha**t) * c", "belongs to the batches"),
        ("/ (1", "* (1", "do not multiply"),
        ("/ (1 - alpha**t)", "/ alpha**t", "the weight of the start"),
        ("s - alpha", "s + alpha", "you added it"),
        ("(s - alpha**t * c) / (1 - alpha**t)", "s / (1 - alpha**t) - alpha**t * c",
         "before you divide"),
        ("alpha**t", "alpha", "α, not αᵗ"),
        ("alpha**t", "alpha**(t - 1)", "t times"),
        ("(1 - alpha**t)", "(1 - alpha)", "and not by 1 − α"),
        ("(s - alpha**t * c) / (1 - alpha**t)", "s", "does not change s"),
        ("s - alpha**t * c", "alpha**t * c - s", "the sign"),
        ("return ", "alpha = 0.9; return ", "α is an argument"),
        (None, "return None", "is None"),
    ],
    "variance_from_first": [
        (FIRST, "1 + 0 * t", "must be squared"),
        (FIRST, "1.0", "must be squared"),
        ("alpha ** (2 * (t - 1))  ", "alpha ** (2 * t)  ", "first add its two weights"),
        (FIRST, "alpha ** (2 * t) + (1 - alpha) / (1 + alpha) * (1 - w)", "only what the start has"),
        (FIRST, "alpha ** (2 * t) + (1 - alpha) / (1 + alpha) * (1 - alpha ** (2 * t))",
         "first add its two weights"),
        (FIRST, "alpha ** (t - 1) + (1 - alpha) / (1 + alpha) * (1 - w)", "goes in squared"),
        (FIRST, "(1 - alpha) / (1 + alpha) * (1 - w)", "v_1 is missing"),
        (FIRST, "w", "v_2 to v_t are missing"),
        (FIRST, "w + (1 - alpha) / (1 + alpha) * (1 - alpha ** (2 * t))", "t − 1 terms"),
        (FIRST, "w + (1 - alpha) * (1 - alpha ** (t - 1))", "its ratio is α²"),
        (FIRST, "(1 - alpha) / (1 + alpha) * (1 + alpha**t) / (1 - alpha**t)", "(4.3)"),
        (FIRST, "(1 - alpha) / (1 + alpha) * (1 - alpha ** (2 * t))", "raw average"),
        (FIRST, f"np.sqrt({FIRST})", "leave the root out"),
        (FIRST, "(1 - alpha) / (1 + alpha)", "for large t"),
        (FIRST, "1 / t", "a plain mean"),
        ("w = alpha", "alpha = 0.9; w = alpha", "α is an argument"),
        ("w = alpha", "t = np.atleast_1d(t); w = alpha", "if t is one number, return one number"),
        (None, "return np.array([alpha ** (2 * n - 2) + sum(((1 - alpha) * alpha ** (n - i)) ** 2 "
               "for i in range(2, n + 1)) for n in t])", "not iterable"),
    ],
}

# Other right answers: (what to replace in the solution, by what).
ALSO_RIGHT = {
    "average": [
        (None, "v = list(v)\nraw = [sum((1 - alpha) * alpha ** (t - i) * v[i] for i in range(t + 1))"
               " for t in range(len(v))]\n"
               "return raw, [s / (1 - alpha ** (t + 1)) for t, s in enumerate(raw)]"),
        (None, "raw = np.zeros(len(v) + 1)\nfor t in range(len(v)):\n"
               "    raw[t + 1] = raw[t] + (1 - alpha) * (v[t] - raw[t])\n"
               "raw = raw[1:]\nreturn [raw, raw / -np.expm1(np.log(alpha) * "
               "np.arange(1, len(v) + 1))]"),
    ],
    "weights": [(None, "w = alpha ** np.arange(t)[::-1]\nreturn w / w.sum()"),
                (None, "return [alpha ** (t - i) * (1 - alpha) / (1 - alpha**t) "
                       "for i in range(1, t + 1)]")],
    "variance": [(None, "return ((1 - alpha) ** 2 * (1 - alpha ** (2 * t)) / (1 - alpha**2) "
                        "/ (1 - alpha**t) ** 2)"),
                 (None, "sums = [(weights(alpha, n) ** 2).sum() for n in np.ravel(t)]\n"
                        "return np.reshape(sums, np.shape(t))"),
                 (VARIANCE, f"np.vectorize(lambda t: {VARIANCE})(t)")],
    "mean_square_errors": [(None, "c = 1 - alpha**t\nvar = (1 - alpha) / (1 + alpha) * (1 + alpha**t) "
                                  "/ c * sd**2\nreturn [(mean * (c - 1)) ** 2 + c**2 * var, var]")],
    "steps_until": [(None, LOOP.format(">=")),
                    (STEPS, f"float({STEPS})"), (STEPS, f"np.int64({STEPS})"),
                    (None, "t = 1\nwhile alpha**t / (1 - alpha**t) >= share:\n    t = t + 1\n"
                           "return t")],
    "diagnosis": [('"drift"', '" Drift"')],
    "repair_factor": [(None, "return 1 / (np.sqrt(2 / m) * gamma(m / 2) / gamma((m - 1) / 2))"),
                      (None, "from math import exp, lgamma, sqrt\n"
                             "return sqrt(m / 2) * exp(lgamma((m - 1) / 2) - lgamma(m / 2))")],
    "expected_from": [(FROM_C, "mean + (c - mean) * alpha**t"),
                      (None, "s = c\nfor _ in range(t):\n    s = alpha * s + (1 - alpha) * mean\n"
                             "return s")],
    "debias": [(None, "return c + (s - c) / (1 - alpha**t)")],
    "variance_from_first": [
        (None, "return alpha ** (2 * t - 2) + (1 - alpha) ** 2 * (1 - alpha ** (2 * t - 2)) "
               "/ (1 - alpha**2)"),
        (None, "sums = [alpha ** (2 * n - 2) + sum(((1 - alpha) * alpha ** (n - i)) ** 2 "
               "for i in range(2, n + 1)) for n in np.ravel(t)]\n"
               "return np.reshape(sums, np.shape(t))")],
}
