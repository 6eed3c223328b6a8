//! What can be wrong with a GPU, as data; and back to a GPU with which nothing is.

use anyhow::{Context, Result};
use fake_gpu::control::{Bars, Command, ConfigDelay, Fault, FunctionState, Reset, Stuck, Until};

use crate::{Gpu, Running};

/// One way in which a GPU is broken.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called in a table.
    pub name: &'static str,
    /// What the fake is told, for which function; `None` is for each.
    pub faults: &'static [(Option<u8>, Command)],
}

/// Nothing is wrong.
pub const HEALTHY: Case = Case {
    name: "healthy",
    faults: &[],
};

/// No function answers, until a reset from above.
pub const OFF_THE_BUS: Case = Case {
    name: "off the bus",
    faults: &[(None, Command::Die(Fault { until: Until::Sbr }))],
};

/// No function answers, until the slot loses power.
pub const OFF_THE_BUS_UNTIL_POWER: Case = Case {
    name: "off the bus until power",
    faults: &[(None, Command::Die(Fault { until: Until::Power }))],
};

/// Nothing brings the GPU back.
pub const LOST: Case = Case {
    name: "lost for good",
    faults: &[(None, Command::Die(Fault { until: Until::Command }))],
};

/// An FLR takes the function off the bus, until a reset from above.
pub const FLR_KILLS: Case = Case {
    name: "FLR kills",
    faults: &[(None, Command::Flr(Reset::Kill))],
};

/// The registers are dead until a reset from above, and an FLR does nothing, while the machine believes in it.
pub const FLR_IGNORED: Case = Case {
    name: "FLR ignored, registers dead",
    faults: &[
        (None, Command::Flr(Reset::Ignore)),
        (Some(0), Command::Bars(Bars::AllOnes { until: Until::Sbr })),
    ],
};

/// The function takes three seconds to come back from an FLR.
pub const FLR_HANGS: Case = Case {
    name: "FLR takes 3 s",
    faults: &[(None, Command::Flr(Reset::Hang { ms: 3000 }))],
};

/// The registers are dead until a reset from above; an FLR resets everything else.
pub const REGISTERS_DEAD: Case = Case {
    name: "BAR0 dead until SBR",
    faults: &[(Some(0), Command::Bars(Bars::BadFive { until: Until::Sbr }))],
};

/// The registers are dead until an FLR.
pub const REGISTERS_DEAD_UNTIL_FLR: Case = Case {
    name: "BAR0 dead until FLR",
    faults: &[(Some(0), Command::Bars(Bars::AllOnes { until: Until::Flr }))],
};

/// Transactions stay pending until an FLR.
pub const PENDING: Case = Case {
    name: "transactions pending",
    faults: &[(Some(0), Command::Pending(Stuck::Stuck { until: Until::Flr }))],
};

/// A reset from above kills as well: only power helps.
pub const SBR_KILLS: Case = Case {
    name: "SBR kills",
    faults: &[
        (None, Command::Die(Fault { until: Until::Sbr })),
        (None, Command::Sbr(Reset::Kill)),
    ],
};

/// No function answers until a reset from above, and the next FLR does the same: whoever lets the kernel restore what it
/// saved of an absent function fires one.
pub const OFF_THE_BUS_AND_FLR_KILLS: Case = Case {
    name: "off the bus, FLR kills",
    faults: &[
        (None, Command::Die(Fault { until: Until::Sbr })),
        (None, Command::Flr(Reset::Kill)),
    ],
};

/// All of them.
pub const ALL: [Case; 12] = [
    HEALTHY,
    OFF_THE_BUS,
    OFF_THE_BUS_UNTIL_POWER,
    OFF_THE_BUS_AND_FLR_KILLS,
    LOST,
    FLR_KILLS,
    FLR_IGNORED,
    FLR_HANGS,
    REGISTERS_DEAD,
    REGISTERS_DEAD_UNTIL_FLR,
    PENDING,
    SBR_KILLS,
];

/// What ends every fault that a [`Case`] can name, but brings no function back.
const NO_FAULTS: [Command; 7] = [
    Command::Flr(Reset::Normal),
    Command::Pm(Reset::Normal),
    Command::Sbr(Reset::Normal),
    Command::Bars(Bars::Normal),
    Command::Pending(Stuck::Normal),
    Command::PmcsrStuck(Stuck::Normal),
    Command::ConfigDelay(ConfigDelay { ms: 0, reads: None }),
];

impl Gpu {
    /// Breaks it.
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn suffer(&self, case: &Case) -> Result<()> {
        for (function, command) in case.faults {
            match function {
                Some(function) => self.fake.control_function(*function, command)?,
                None => self.fake.control(command)?,
            };
        }
        Ok(())
    }

    /// Ends every fault. The functions are as after a reset, of which the guest knows nothing: see [`Running::renew`].
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn heal(&self) -> Result<()> {
        self.end_faults()?;
        self.fake.control(&Command::Revive)?;
        Ok(())
    }

    /// Ends the faults that have not come to anything yet.
    pub(crate) fn end_faults(&self) -> Result<()> {
        for command in &NO_FAULTS {
            self.fake.control(command)?;
        }
        Ok(())
    }

    /// How each function is in truth, whatever the guest believes.
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn truth(&self) -> Result<Vec<FunctionState>> {
        Ok(self.fake.control(&Command::State)?.functions)
    }

    /// Whether all functions are well in truth.
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn is_well(&self) -> Result<bool> {
        Ok(self.truth()?.iter().all(FunctionState::is_well))
    }
}

impl Running {
    /// A GPU of the scene.
    ///
    /// # Errors
    /// When it has no such one.
    pub fn gpu(&self, index: usize) -> Result<&Gpu> {
        self.gpus
            .get(index)
            .with_context(|| format!("the scene has no GPU {index}"))
    }
}
