"""Wrong answers to the exercises of notebook 07.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "momentum": [
        ("momentum * v + g", "momentum * v + (1 - momentum) * g", "an average"),
        ("momentum * v + g", "(1 - momentum) * v + momentum * g", "g has no factor"),
        ("momentum * v + g", "momentum * v + lr * g", "not before"),
        ("momentum * v + g", "momentum * v - g", "adds up +g"),
        ("momentum * v + g", "0.9 * v + g", "not always 0.9"),
        ("momentum * v + g\n    return p - lr * v", "momentum * v - lr * g\n    return p + v", "carries −η"),
        ("p - lr * v", "p + lr * v", "downhill"),
        ("p - lr * v", "p - lr * g", "without momentum"),
        ("v = momentum * v + g", "v *= momentum; v += g", "in place"),
        ("return p - lr * v, v", "return p - lr * v", "2 things"),
        ("return p - lr * v, v", "return v, p - lr * v", "the order is p, v"),
    ],
    "limit": [
        ("1 / (1 - momentum)", "1 - momentum", "denominator"),
        ("1 / (1 - momentum)", "1", "adds up"),
        ("1 / (1 - momentum)", "momentum / (1 - momentum)", "not 0"),
    ],
    "schedule": [
        ("epoch // every", "(epoch + 1) // every", "too early"),
        ("epoch // every", "max(epoch - 1, 0) // every", "too late"),
        ("epoch // every", "(epoch - 1) // every", "too late"),
        ("epoch // every", "epoch / every", "gradually"),
        ("epoch // every", "min(1, epoch // every)", "falls again"),
        ("10 ** (epoch // every)", "max(1, 10 * (epoch // every))", "10, 20, 30"),
        ("10 ** (epoch // every)", "(10 * (epoch // every))", "division by 0"),
        ("lr / 10 ** (epoch // every)", "lr * lr ** (epoch // every)", "not lr itself"),
        ("lr / 10", "0.1 / 10", "not always 0.1"),
        ("epoch // every", "epoch // 26", "not always after 26"),
        ("lr / 10 ** (epoch // every)", "0.1 / 10 ** (epoch // 26)", "not 0.1 and 26"),
    ],
    "cold": [
        ("epochs * (images // batch_size)", "epochs * -(-images // batch_size)", "dropped"),
        ("epochs * (images // batch_size)", "epochs * images / batch_size", "whole batches"),
        ("epochs * (images // batch_size)", "epochs * images // batch_size", "into the next"),
        ("epochs * (images // batch_size)", "epochs", "not epochs"),
        ("epochs * (images // batch_size)", "images // batch_size", "there are more epochs"),
        ("decay ** updates", "1 - decay ** updates", "share of the start"),
        ("decay ** updates", "(1 - decay) ** updates", "not 1 − α"),
        ("decay ** updates", "decay ** (updates - 1)", "too few"),
        ("decay ** updates", "decay ** (updates + 1)", "too many"),
        ("decay ** updates", "0.99 ** updates", "not always 0.99"),
    ],
    "curves": [
        ('"A": "overfits"', '"A": "healthy"', "after epoch 10"),
        ('"B": "too short"', '"B": "healthy"', "still falling"),
        ('"C": "stuck"', '"C": "healthy"', "knows nothing"),
        ('"E": "diverged"', '"E": "stuck"', "scale"),
        ('"D": "healthy"', '"D": "too short"', "flattened"),
        ('"D": "healthy"', '"D": "fine"', "words"),
    ],
    "threshold": [
        ("enumerate(accuracy, 1)", "enumerate(accuracy)", "after one epoch"),
        ("enumerate(accuracy, 1)", "enumerate(accuracy, 2)", "one too many"),
        ("value >= threshold", "value > threshold", "exactly"),
        ("return None", "return len(accuracy)", "never reached"),
        ("for epoch, value in enumerate(accuracy, 1):",
         "for epoch, value in reversed(list(enumerate(accuracy, 1))):", "when it *first*"),
        ("for epoch, value in enumerate(accuracy, 1):",
         "place = int(np.searchsorted(accuracy, threshold))\n"
         "    return place + 1 if place < len(accuracy) else None\n"
         "    for epoch, value in ():", "not sorted"),
    ],
    "rates": [
        ("held_out.items()", "test.items()", "no test any more"),
        ("np.argmax(values)", "np.argmax(np.add(values, test[method]))", "must not take part"),
        ("np.argmax(values)", "np.argmax(np.maximum(values, test[method]))", "must not take part"),
        ("RATES[int(np.argmax(values))]", "int(np.argmax(values))", "places in `RATES`"),
        ("RATES[int(np.argmax(values))]", "max(values)", "these are accuracies"),
        ("RATES[int(np.argmax(values))]", "0.01", "favors"),
        ("argmax", "argmin", "worst"),
    ],
    "peeking": [
        (" - 0.4)", ")", "subtract the true"),
        ("(trials, R)) / n", "(trials, R + 1)) / n", "not R + 1"),
        ("(trials, R)) / n", "(trials, R - 1)) / n", "not R − 1"),
        ("(trials, R)) / n", "(trials, R))", "divide the counts"),
        ("(trials, R)) / n\n    return (measured.max(1) - 0.4)",
         "(trials, R))\n    return (measured.max(1) - 0.4 * n)", "not a count"),
        ("(measured.max(1) - 0.4)", "100 * (measured.max(1) - 0.4)", "percent"),
        (".mean()", ".sum()", "not their sum"),
        ("measured.max(1)", "measured.max()", "not over the trials"),
        ("measured.max(1)", "measured.max(0)", "not over the trials"),
        ("measured.max(1)", "measured.mean(1)", "too little"),
        (".mean()", "", "one number"),
        ("rng.binomial(n, 0.4, (trials, R)) / n", "rng.binomial(500, 0.4, (trials, R)) / 500", "not always 500"),
        (" / n", " / 500", "not by 500"),
        ("binomial(n", "binomial(500", "not with 500"),
        ("rng.binomial(n, 0.4, (trials, R)) / n", "rng.normal(0.4, np.sqrt(0.24 / n), (trials, R))", "normal numbers"),
        ("rng.binomial", "np.random.default_rng().binomial", "of your own"),
        ("rng.binomial", "np.random.default_rng(0).binomial", "of your own"),
        ("(trials, R)", "(5000, R)", "`trials` is an argument"),
    ],
}

# Other right answers: (what to replace in the solution, by what).
ALSO_RIGHT = {
    "momentum": [("return p - lr * v, v", "return [p - lr * v, v]")],
    "schedule": [("lr / 10 ** (epoch // every)", "lr * 0.1 ** (epoch // every)")],
}
