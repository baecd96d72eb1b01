"""Wrong answers to the exercises of notebook 07.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "momentum": [
        ("momentum * v + g", "momentum * v + (1 - momentum) * g", "an average"),
        ("momentum * v + g", "momentum * v + lr * g", "not before"),
        ("momentum * v + g", "momentum * v - g", "adds up +g"),
        ("p - lr * v", "p + lr * v", "downhill"),
        ("p - lr * v", "p - lr * g", "without momentum"),
        ("v = momentum * v + g", "v *= momentum; v += g", "in place"),
        ("return p - lr * v, v", "return p - lr * v", "two arrays"),
    ],
    "limit": [
        ("1 / (1 - momentum)", "1 - momentum", "denominator"),
        ("1 / (1 - momentum)", "1", "adds up"),
        ("1 / (1 - momentum)", "momentum / (1 - momentum)", "not 0"),
    ],
    "schedule": [
        ("epoch // every", "(epoch + 1) // every", "too early"),
        ("epoch // every", "max(epoch - 1, 0) // every", "too late"),
        ("epoch // every", "epoch / every", "gradually"),
        ("10 ** (epoch // every)", "max(1, 10 * (epoch // every))", "10, 20, 30"),
    ],
    "cold": [
        ("epochs * (images // batch_size)", "epochs * -(-images // batch_size)", "dropped"),
        ("epochs * (images // batch_size)", "epochs * images / batch_size", "whole batches"),
        ("epochs * (images // batch_size)", "epochs * images // batch_size", "into the next"),
        ("epochs * (images // batch_size)", "epochs", "not epochs"),
        ("decay ** updates", "1 - decay ** updates", "share of the start"),
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
        ("value >= threshold", "value > threshold", "exactly"),
        ("return None", "return len(accuracy)", "never reached"),
        ("for epoch, value in enumerate(accuracy, 1):",
         "for epoch, value in reversed(list(enumerate(accuracy, 1))):", "first"),
    ],
    "rates": [
        ("held_out.items()", "test.items()", "no test any more"),
        ("RATES[int(np.argmax(values))]", "0.01", "favours"),
        ("argmax", "argmin", "worst"),
    ],
    "peeking": [
        (" - 0.4)", ")", "nothing can be gained"),
        ("measured.max(1)", "measured.max()", "not over the trials"),
        ("measured.max(1)", "measured.mean(1)", "too little"),
        (".mean()", "", "one number"),
    ],
}
