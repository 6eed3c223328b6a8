//! How much of a function's configuration space the claim reads. On real hardware each read costs microseconds.

use anyhow::{Result, ensure};
use reseat_scenarios::Stage;
use reseat_scenarios::cost::{self, Found};

/// The most 32-bit registers of a function that may be read while it is claimed, by the claim and the kernel together.
const MOST: usize = 30;
/// As many of them may be the claim's own: what the kernel does not read in a boot with the bare writes.
const MOST_OF_THE_CLAIM: usize = 12;
/// A claim that reads less has verified nothing.
const LEAST_OF_THE_CLAIM: usize = 4;

pub(crate) fn a_claim_reads_at_most_thirty_registers_a_function(stage: &Stage) -> Result<()> {
    let (claim, claimed) = cost::of_the_claim(stage, Found::Awake)?;
    let (bare, written) = cost::of_the_bare_writes(stage, Found::Awake)?;
    // The comparison is one of equals only if both arrive at the same place.
    for function in 0..cost::FUNCTIONS {
        claimed.check_claimed(&format!("0000:01:00.{function}"))?;
        written.check_claimed(&format!("0000:01:00.{function}"))?;
    }

    for (function, (all, kernels)) in claim.config_reads.iter().zip(&bare.config_reads).enumerate() {
        let of_the_claim = all.saturating_sub(*kernels);
        ensure!(
            *all <= MOST && (LEAST_OF_THE_CLAIM..=MOST_OF_THE_CLAIM).contains(&of_the_claim),
            "{all} registers of function {function} were read, {kernels} of them by the kernel"
        );
    }
    Ok(())
}
