//! Could a GPU have been brought back? It is tried by hand, with the kernel's files alone, and the fake says how it went.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use fake_gpu::control::FunctionState;

use crate::faults::{Depth, resets_between};
use crate::{Gpu, Running};

/// A reset that does not come back holds the kernel for as long as this.
const TIMEOUT: Duration = Duration::from_secs(200);
/// What is well after a reset has to be well this much later.
pub const SETTLED: Duration = Duration::from_secs(1);

/// What a reset by hand may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Function 0 alone: something of somebody else's is in the domain.
    Function,
    /// All that is below the port above the GPU.
    Domain,
}

impl Running {
    /// Resets a GPU by hand, by each way that its domain allows, until one has brought it back: each function that it may hit
    /// is reset, with what is behind its BARs, and all are well, now and a little later. Says by which.
    ///
    /// # Errors
    /// When the guest or the fake does not answer.
    pub fn bring_back_by_hand(&self, gpu: &Gpu, reach: Reach) -> Result<Option<&'static str>> {
        let ways: &[(&str, String)] = &[
            ("an FLR", flr(gpu)),
            ("a reset of the emptied bus", emptied_bus_reset(gpu)),
        ];
        let allowed = match reach {
            Reach::Function => 1,
            Reach::Domain => ways.len(),
        };
        for (name, script) in ways.iter().take(allowed) {
            let before = gpu.truth()?;
            // Where it fails the truth says so.
            self.run(script, TIMEOUT)?;
            if is_back(&before, &gpu.truth()?, reach) {
                thread::sleep(SETTLED);
                if gpu.is_well()? {
                    return Ok(Some(name));
                }
            }
        }
        Ok(None)
    }

    /// Checks that a reset by hand brings a healthy GPU back, so that one that does not is worth something.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_by_hand(&self, gpu: &Gpu, reach: Reach) -> Result<()> {
        let by = self.bring_back_by_hand(gpu, reach)?;
        ensure!(by.is_some(), "no reset by hand resets it: {:?}", gpu.truth()?);
        Ok(())
    }
}

fn is_back(before: &[FunctionState], after: &[FunctionState], reach: Reach) -> bool {
    let resets = resets_between(before, after);
    let hit = match reach {
        Reach::Function => resets.get(..1).unwrap_or_default(),
        Reach::Domain => &resets,
    };
    hit.iter().all(|depth| *depth == Some(Depth::Device)) && after.iter().all(FunctionState::is_well)
}

/// An FLR of function 0, if it has one.
fn flr(gpu: &Gpu) -> String {
    format!(
        "cd /sys/bus/pci/devices/{} && echo flr >reset_method && echo 1 >reset",
        gpu.function(0)
    )
}

fn emptied_bus_reset(gpu: &Gpu) -> String {
    format!(
        "cd /sys/bus/pci/devices || exit 1\n\
         for f in {}.*; do [ -e $f ] && echo 1 >$f/remove; done\n\
         echo 1 >{port}/reset_subordinate; usleep 300000; echo 1 >{port}/rescan",
        gpu.device,
        port = gpu.port
    )
}

#[cfg(test)]
mod tests {
    use fake_gpu::control::{Bars, PowerState, Presence};

    use super::*;

    fn state(function: u8, resets: u32) -> FunctionState {
        FunctionState {
            function,
            presence: Presence::Ready,
            power_state: PowerState::D0,
            flr: 0,
            pm: 0,
            device_specific: 0,
            sbr: 0,
            power_cycles: 0,
            config_resets: resets,
            device_resets: resets,
            bars: Bars::Normal,
            pending: false,
            is_other: false,
        }
    }

    #[test]
    fn back_is_what_was_reset_behind_its_bars_and_is_well() {
        let before = [state(0, 1), state(1, 1)];
        let mut after = [state(0, 2), state(1, 2)];
        assert!(is_back(&before, &after, Reach::Domain));
        after[1].device_resets = 1;
        assert!(!is_back(&before, &after, Reach::Domain));
        assert!(is_back(&before, &after, Reach::Function));
        after[1].presence = Presence::Absent;
        assert!(!is_back(&before, &after, Reach::Function));
        assert!(!is_back(&before, &[state(0, 1), state(1, 2)], Reach::Function));
    }
}
