// From the network's numbers to a verdict, and to words.

/**
 * As predict gives it: by the calibration where there is one, else by the probability.
 *
 * @param {number} score probability of being generated
 * @param {number} logit before any calibration; positive speaks for generated
 * @param {{calibration: object | null, confidence: number}} description of model.json
 * @returns {"generated" | "photograph" | "unsure"}
 */
export function verdictOf(score, logit, { calibration, confidence }) {
  if (!calibration) {
    if (score >= confidence) return "generated";
    return 1 - score >= confidence ? "photograph" : "unsure";
  }
  const { generated_from: from, photograph_to: to } = calibration;
  if (from !== null && logit >= from) return "generated";
  return to !== null && logit <= to ? "photograph" : "unsure";
}

/** What a verdict means, for the reader. */
export function inWords({ verdict, score }, { calibration, confidence }) {
  return {
    generated: "The pixels look like those of generated pictures." +
      errorInWords("photographs", "generated", calibration),
    photograph: "The pixels look like those of photographs." +
      errorInWords("generated pictures", "photograph", calibration),
    unsure: unsureInWords(score, calibration ? confidence : 1),
  }[verdict];
}

function errorInWords(others, verdict, calibration) {
  return calibration
    ? ` Of ${others} like those it was calibrated with, at most ${percent(calibration.target_error)
    } are expected to be called “${verdict}”.`
    : " This detector was not calibrated: how often such verdicts are wrong has not been measured.";
}

/** A calibrated detector may have good reasons not to decide where its score seems clear. */
function unsureInWords(score, confidence) {
  const leaning = score >= confidence || score <= 1 - confidence;
  const [side, other] = score > 0.5 ? ["generated", "photographs"] : ["photograph", "generated pictures"];
  return leaning
    ? `The score leans to “${side}”, but too many ${other} had such scores when this detector was ` +
      "calibrated. Take this as no verdict."
    : "The traces speak neither clearly for a generator nor clearly for a camera. Take this as no " +
      "verdict.";
}

/** 0.05 as 5 %. */
export function percent(share) {
  return `${Number((100 * share).toPrecision(2))} %`;
}

/** A probability with three decimals, and never a 0 or 1 that it is not. */
export function shortScore(score) {
  if (score > 0.999) return "> 0.999";
  return score < 0.001 ? "< 0.001" : score.toFixed(3);
}
