// Three normalizers on a stream of batches: the numbers of the picture on the first page.
//
// One channel, γ = 1 and β = 0.  At every step each normalizer takes in a batch of m values (its
// training pass); then the value `probe` takes the place of the batch's first one, and the
// normalizer says what it makes of it, with its averages frozen.  tests/test_site_demo.py compares
// all of it with minibn's layers.

export const EPS = 1e-5, R_MAX = 3, D_MAX = 5;

const clip = (v, low, high) => Math.min(Math.max(v, low), high);
const mean = (x) => x.reduce((sum, v) => sum + v, 0) / x.length;

/** μ_B and σ_B of a batch (eqs. 1 and 2). */
export function statistics(x) {
  const mu = mean(x);
  return [mu, Math.sqrt(mean(x.map((v) => (v - mu) ** 2)) + EPS)];
}

/** What r and d make of the first value of a batch, given the averages (eqs. 7 and 8). */
function renormalized(x, mu, sigma) {
  const [muB, sigmaB] = statistics(x);
  const r = clip(sigmaB / sigma, 1 / R_MAX, R_MAX);
  const d = clip((muB - mu) / sigma, -D_MAX, D_MAX);
  return (x[0] - muB) / sigmaB * r + d;
}

/**
 * Run the three normalizers over batches, an array of arrays of m values.
 *
 * For "bn", "brn" and "renorm_debias": `output`, what becomes of the probe, and `mean` and `std`,
 * the two numbers that the normalizer takes for the channel's mean and deviation, at each step.
 */
export function normalize(batches, probe, decay) {
  const found = {};
  for (const name of ["bn", "brn", "renorm_debias"]) {
    found[name] = { output: [], mean: [], std: [] };
  }
  const note = (name, output, mu, sigma) => {
    found[name].output.push(output);
    found[name].mean.push(mu);
    found[name].std.push(sigma);
  };
  let mu = 0, sigma = 1;                                     // BRN starts at 0 and 1
  let rawMean = 0, rawStd = 0;                               // renorm_debias, at 0 and 0
  batches.forEach((batch, i) => {
    const t = i + 1, [muB, sigmaB] = statistics(batch);
    const probed = [probe, ...batch.slice(1)];

    const [muP, sigmaP] = statistics(probed);
    note("bn", (probe - muP) / sigmaP, muB, sigmaB);         // eq. 3

    mu = decay * mu + (1 - decay) * muB;                     // eq. 5
    sigma = decay * sigma + (1 - decay) * sigmaB;            // eq. 6
    note("brn", renormalized(probed, mu, sigma), mu, sigma);

    rawMean = decay * rawMean + (1 - decay) * muB;           // eq. 9
    rawStd = decay * rawStd + (1 - decay) * sigmaB;
    const weight = 1 - decay ** t;                           // what the weights add up to, eq. 11
    const muHat = rawMean / weight, sigmaHat = rawStd / weight;      // eqs. 12 and 13
    note("renorm_debias", renormalized(probed, muHat, sigmaHat), muHat, sigmaHat);
  });
  return found;
}

/** A generator of standard normal numbers, the same for the same seed (mulberry32, Box–Muller). */
export function normal(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let v = Math.imul(state ^ (state >>> 15), state | 1);
    v = (v + Math.imul(v ^ (v >>> 7), v | 61)) ^ v;
    return ((v ^ (v >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** `steps` batches of m values with this mean and deviation. */
export function stream(seed, steps, m, mu, sigma) {
  const draw = normal(seed);
  return Array.from({ length: steps }, () => Array.from({ length: m }, () => mu + sigma * draw()));
}

/** The root mean square distance of values from `right`, over steps `from` to `to` (not included). */
export function distance(values, right, from, to) {
  return Math.sqrt(mean(values.slice(from, to).map((v) => (v - right) ** 2)));
}
