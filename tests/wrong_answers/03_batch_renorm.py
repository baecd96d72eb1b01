"""Wrong answers to the exercises of notebook 03; the form is explained in 01_batch_norm.py."""

WRONG = {
    "predict": [
        ("1 / 4, 3 / 4", "4, 3 / 4", "upside down"),
        ("3 / 4", "-3 / 4", "batch minus average"),
        ("3 / 4", "3", "not by σ_B"),
        ("1 / 3, 1 / 2", "1 / 4, 1 / 2", "lower bound"),
        ("1 / 3, 1 / 2", "3, 1 / 2", "upper bound"),
        ("1 / 3, 1 / 2", "1 / 3, 3 / 4", "above d_max"),
    ],
    "forward": [
        ("alpha * mu + (1 - alpha) * mu_B", "(1 - alpha) * mu + alpha * mu_B", "OLD"),
        ("alpha * sigma + (1 - alpha) * sigma_B", "(1 - alpha) * sigma + alpha * sigma_B", "OLD"),
        ("(1 - alpha) * sigma_B", "(1 - alpha) * sigma_B ** 2", "not of the variance"),
        ("np.sqrt(x.var(0) + eps)", "x.std(0)", "ε under the root"),
        ("mu = alpha * mu + (1 - alpha) * mu_B\n    sigma = alpha * sigma + (1 - alpha) * sigma_B\n"
         "    r = np.clip(sigma_B / sigma, 1 / r_max, r_max)\n"
         "    d = np.clip((mu_B - mu) / sigma, -d_max, d_max)",
         "r = np.clip(sigma_B / sigma, 1 / r_max, r_max)\n"
         "    d = np.clip((mu_B - mu) / sigma, -d_max, d_max)\n"
         "    mu = alpha * mu + (1 - alpha) * mu_B\n"
         "    sigma = alpha * sigma + (1 - alpha) * sigma_B",
         "first update"),
        ("sigma_B / sigma, 1", "sigma / sigma_B, 1", "upside down"),
        ("np.clip(sigma_B / sigma, 1 / r_max, r_max)", "sigma_B / sigma", "not clipped"),
        ("np.clip(sigma_B / sigma, 1 / r_max, r_max)", "np.minimum(sigma_B / sigma, r_max)",
         "lower bound"),
        ("(mu_B - mu)", "(mu - mu_B)", "batch minus average"),
        ("(mu_B - mu) / sigma", "(mu_B - mu) / sigma_B", "not by σ_B"),
        ("np.clip((mu_B - mu) / sigma, -d_max, d_max)", "(mu_B - mu) / sigma", "not clipped"),
        (" * r + d)", ")", "not used"),
        ("gamma * ((x - mu_B) / sigma_B * r + d) + beta", "(x - mu_B) / sigma_B * r + d",
         "come last"),
        ("((x - mu_B) / sigma_B * r + d) + beta", "((x - mu_B) / sigma_B * r) + d + beta",
         "inside the bracket"),
    ],
    "backward": [
        ("gamma * r * dy", "gamma * dy", "r is missing"),
        ("gamma * r * dy", "r * dy", "γ is missing"),
        ("(g - g.mean(0) - xbar * (g * xbar).mean(0))", "g", "mean terms are missing"),
        ("g - g.mean(0) - xbar", "g - xbar", "mean(g) is missing"),
        (" - xbar * (g * xbar).mean(0)", "", "mean(g·x̄) is missing"),
        (".mean(0)", ".sum(0)", "means, not sums"),
        ("/ sigma_B", "/ sigma", "divide by σ_B"),
        ("- xbar * (g * xbar).mean(0)", "- (xbar * r + d) * (g * (xbar * r + d)).mean(0)",
         "x̄, not x̂"),
        ("dx = (g", "dx = -(g", "sign is wrong"),
        ("(dy * (xbar * r + d)).sum(0)", "(dy * xbar).sum(0)", "not x̄"),
        ("(dy * (xbar * r + d)).sum(0)", "(dy * xbar * r).sum(0)", "d is missing"),
        ("(dy * (xbar * r + d)).sum(0)", "(dy * (xbar * r + d)).mean(0)", "not a mean"),
        ("dy.sum(0)", "dy.mean(0)", "not a mean"),
        ("dy.sum(0)", "r * dy.sum(0)", "dbeta"),
    ],
    "frozen": [
        ("xbar * r + d", "(x - mu_t) / sigma_t",
         "let r and d move"),
        ("(x - x.mean(0)) / np.sqrt(x.var(0) + eps)", "(x - globals()['x'].mean(0)) / sigma_B",
         "you froze μ_B and σ_B"),
        ("gamma * (xbar * r + d) + beta", "xbar * r + d", "γ and β are missing"),
    ],
    "flowing": [
        ("gamma * dy / sigma", "dy / sigma", "γ is missing"),
        ("gamma * dy / sigma", "gamma * dy", "divide by σ"),
        ("gamma * dy / sigma", "gamma * (dy - dy.mean(0)) / sigma", "means cancel"),
        ("gamma * dy / sigma",
         "library_backward(dy, xbar, sigma_B, gamma, sigma_B / sigma, 0 * sigma)[0]",
         "r and d constant"),
    ],
    "clipped": [
        ("return steps", "return steps + 1", "one too many"),
        ("1 / r_max", "1 / r_max ** 2", "too small"),
        ("return steps", "return steps - 1", "one too few"),
        ("sigma, steps = 1.0, 0",
         "return math.log((1 - s) / ((r_max - 1) * s)) / -math.log(alpha)", "whole number"),
    ],
    "bug": [
        ('"dgamma" if not', '"nothing" if not', "something is wrong"),
        ('"nothing")', '"dx")', "what it should be"),
    ],
}
