// Vetoes scenarios that somebody wins from too far back. Plain JavaScript, without the contract.

/** The number of the veto reason, counted from 1. */
export const TOO_FAR_BACK = 1;

/** Judges a block of scenarios, one after the other in `finish`; `start` has one element per entry. */
export function verdicts(finish, start, worstStart) {
  const entries = start.length;
  const found = new Uint8Array(finish.length / entries);
  for (let cell = 0; cell < finish.length; cell++) {
    if (finish[cell] === 1 && start[cell % entries] > worstStart) {
      found[Math.floor(cell / entries)] = TOO_FAR_BACK;
    }
  }
  return found;
}
