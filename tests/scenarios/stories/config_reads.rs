//! How much of a function's configuration space the claim reads. On real hardware each read costs microseconds.

use anyhow::{Result, ensure};
use reseat_scenarios::{Stage, cost};

/// The most 32-bit registers of a claimed function that the claim may read.
const MOST: usize = 30;

pub(crate) fn a_claim_reads_at_most_thirty_registers_a_function(stage: &Stage) -> Result<()> {
    let (claim, claimed) = cost::of_the_claim(stage)?;
    claimed.check_claimed("0000:01:00.3")?;
    let (bare, written) = cost::of_the_bare_writes(stage)?;
    // The comparison is one of equals only if both arrive at the same place.
    written.check_claimed("0000:01:00.3")?;

    for (function, (all, kernels)) in claim.config_reads.iter().zip(&bare.config_reads).enumerate() {
        let of_the_claim = all.saturating_sub(*kernels);
        ensure!(
            of_the_claim <= MOST,
            "{all} registers of function {function} were read, {kernels} of them by the kernel"
        );
        // A claim that reads nothing has verified nothing.
        ensure!(
            of_the_claim >= 4,
            "only {of_the_claim} registers of function {function} were read"
        );
    }
    Ok(())
}
