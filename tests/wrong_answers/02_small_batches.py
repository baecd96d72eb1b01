"""Wrong answers to the exercises of notebook 02; the form is explained in 01_batch_norm.py."""

WRONG = {
    "pair": [
        ("-1, 1, 0", "-0.5 ** 0.5, 0.5 ** 0.5, 0", "not by m − 1"),
        ("-1, 1, 0", "1, -1, 0", "below the mean"),
        ("-1, 1, 0", "-2.15, 2.15, 0", "divide by σ_B"),
        ("-1, 1, 0", "-1, 1, 1", "single value"),
        ("-1, 1, 0", "-1, 1", "3 things"),
    ],
    "spread": [
        ("sigma / math.sqrt(m)", "sigma ** 2 / m", "take its root"),
        ("sigma / math.sqrt(m)", "sigma / m", "divided by √m"),
        ("sigma / math.sqrt(m)", "sigma", "scatters less"),
        ("sigma / math.sqrt(m)", "sigma * math.sqrt(m)", "less scatter"),
        ("sigma / math.sqrt(m)", "sigma / math.sqrt(max(m - 1, 1e-9))", "m, not m − 1"),
    ],
    "variance": [
        ("(m - 1) / m", "m / (m - 1)", "repairs"),
        ("(m - 1) / m", "1", "some spread is lost"),
        ("(m - 1) / m", "m / (m + 1)", "no spread at all"),
    ],
    "deviation": [
        ("sigma_B.mean(),", "math.sqrt((sigma_B ** 2).mean()),", "roots first"),
        ("draws.std(1)", "draws.std(1, ddof=1)", "not by m − 1"),
        ("draws.std(1)", "draws.std(0)", "axis 1"),
        ("sigma_B.mean(),", "draws.std(),", "one batch of everything"),
        (" / math.sqrt(len(draws))", "", "single σ_B"),
        ("math.sqrt(len(draws))", "math.sqrt(draws.size)", "do not count"),
        ("sigma_B.std() /", "draws.std() /", "what scatters is σ_B"),
        ("math.sqrt(len(draws))", "len(draws)", "the root of the number"),
    ],
    "worth": [
        ("x.var((0, 1, 2)) / x.mean((1, 2)).var(0)", "x.std((0, 1, 2)) / x.mean((1, 2)).std(0)",
         "not the deviation"),
        ("x.var((0, 1, 2)) / x.mean((1, 2)).var(0)", "x.mean((1, 2)).var(0) / x.var((0, 1, 2))",
         "other way round"),
        ("return x", "return len(x) * x", "asked is one"),
        ("x.var((0, 1, 2)) / x.mean((1, 2)).var(0)", "x.var() / x.mean((1, 2, 3)).var()", "keep the last axis"),
    ],
    "moving": [
        (" * m / (m - 1)", "", "unbiased"),
        (" * m / (m - 1)", " * (m - 1) / m", "undo it"),
        ("x.var(0) * m / (m - 1)", "x.std(0, ddof=1)", "not the deviation"),
        ("decay * mean + (1 - decay) * x", "(1 - decay) * mean + decay * x", "OLD"),
        ("decay * var + (1 - decay) * unb", "(1 - decay) * var + decay * unb", "OLD"),
        ("(1 - decay) * x.mean(0)", "x.mean(0)", "weight 1 − α"),
        ("return decay", "return mean, var\n    return decay", "has not moved"),
    ],
    "constants": [
        ("gamma * dy / sigma", "dy / sigma", "γ is missing"),
        ("gamma * dy / sigma", "gamma * dy", "σ is missing"),
        ("gamma * dy / sigma", "gamma * (dy - dy.mean(0)) / sigma", "no mean terms"),
        ("dx = gamma * dy / sigma", "dx = bn", "BN's gradient"),
        ("gamma * dy / sigma", "-gamma * dy / sigma", "sign"),
        ("dx.sum(0)", "dx.mean(0)", "not a mean"),
        ("dx.sum(0)", "0 * dx.sum(0)", "zero for BN"),
    ],
}
