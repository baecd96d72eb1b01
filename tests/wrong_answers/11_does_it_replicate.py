"""Wrong answers to the exercises of notebook 11.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "z": [
        (" + a2 * (1 - a2) / n", "", "not the first alone"),
        ("a1 * (1 - a1) / n + a2", "a2", "not the second alone"),
        ("np.sqrt(variance)", "variance", "take the root"),
        ("np.sqrt(variance)", "(np.sqrt(a1 * (1 - a1) / n) + np.sqrt(a2 * (1 - a2) / n))", "in squares"),
        ("a1 * (1 - a1) / n + a2 * (1 - a2) / n", "a1 * (1 - a1) + a2 * (1 - a2)", "divide each"),
        ("(a1 - a2)", "(a2 - a1)", "first minus second"),
    ],
    "interval": [
        (", ddof=1", "", "ddof=1"),
        (" / np.sqrt(S)", "", "another *run*"),
        ("t_quantile(0.975, S - 1)", "1.96", "Student's t"),
        ("t_quantile(0.975, S - 1)", "t_quantile(0.975, S)", "degrees of freedom"),
        ("0.975", "0.95", "each side"),
        ("t_quantile(0.975, S - 1) * s", "s", "t times as wide"),
        ("t_quantile(0.975, S - 1)", "2 * t_quantile(0.975, S - 1)", "half the width"),
    ],
    "paired": [
        ("interval(np.asarray(first) - np.asarray(second))",
         "(np.mean(first) - np.mean(second), t_quantile(0.975, len(first) - 1) * np.hypot("
         "np.std(first, ddof=1), np.std(second, ddof=1)) / np.sqrt(len(first)))", "independent"),
        ("interval(np.asarray(first) - np.asarray(second))",
         "(np.mean(first) - np.mean(second), interval(first)[1] + interval(second)[1])",
         "do not add up"),
        ("np.asarray(first) - np.asarray(second)", "np.asarray(second) - np.asarray(first)",
         "first − second"),
    ],
    "images": [
        ("d.std() / np.sqrt(len(d))", "d.std()", "divide by √n"),
        ("np.sqrt(len(d))", "len(d)", "not by n"),
        ("d.std() / np.sqrt(len(d))", "np.sqrt((right_a.var() + right_b.var()) / len(d))",
         "different images"),
        ("d.std() / np.sqrt(len(d))", "np.mean(right_a != right_b)", "disagree"),
        ("d.mean()", "-d.mean()", "a − b"),
    ],
    "seeds": [
        ("(1.96 + 0.84)", "1.96", "power"),
        ("** 2", "", "square"),
        ("np.ceil", "np.floor", "round up"),
        ("s / delta", "delta / s", "upside down"),
        ("int(np.ceil(((1.96 + 0.84) * s / delta) ** 2))", "((1.96 + 0.84) * s / delta) ** 2",
         "whole number"),
    ],
    "verdict": [
        ("if low > 0:", "if low + high > 0:", "0 is inside all the same"),
        ('return "cannot be told"', 'return "does not hold"', "not evidence against"),
        ("if high < 0:", "if low + high < 0:", "0 is inside"),
        ('return "does not hold"', 'return "cannot be told"', "other way"),
    ],
    "design": [
        ('("debias", "moving"), ("brn", "moving")', '("debias", "batch"), ("brn", "moving")',
         "also differ in test mode"),
        ('("debias", "moving"), ("brn", "moving")', '("debias", "moving"), ("brn no clip", "moving")',
         "also differ in clip"),
        ('("debias", "batch"), ("debias no clip", "batch")', '("brn", "batch"), ("brn no clip", "batch")',
         "in renorm_debias"),
        ('("debias", "batch"), ("debias", "moving")', '("debias", "batch"), ("debias", "batch")',
         "do not differ"),
    ],
}
