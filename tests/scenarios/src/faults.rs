//! What can be wrong with a GPU, as data; and back to a GPU with which nothing is.

use anyhow::{Context, Result};
use fake_gpu::control::{Bars, Command, ConfigDelay, Fault, FunctionState, Reset, Serial, Stuck, Until};

use crate::{Gpu, Running};

/// One way in which a GPU is broken.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called in a table.
    pub name: &'static str,
    /// What the fake is told, for which function; `None` is for each.
    pub faults: &'static [(Option<u8>, Command)],
}

/// How much of a function a reset has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Its PCIe interface.
    Configuration,
    /// That, and what is behind its BARs.
    Device,
}

/// How deep each function was reset between two states.
pub fn resets_between(before: &[FunctionState], after: &[FunctionState]) -> Vec<Option<Depth>> {
    let depth = |(before, after): (&FunctionState, &FunctionState)| {
        if after.device_resets > before.device_resets {
            Some(Depth::Device)
        } else if after.config_resets > before.config_resets {
            Some(Depth::Configuration)
        } else {
            None
        }
    };
    before.iter().zip(after).map(depth).collect()
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

/// Nothing is wrong, and an FLR does nothing.
pub const WELL_AND_FLR_IGNORED: Case = Case {
    name: "healthy, FLR ignored",
    faults: &[(None, Command::Flr(Reset::Ignore))],
};

/// Nothing is wrong, and an FLR resets the PCIe interface alone.
pub const FLR_PARTIAL: Case = Case {
    name: "healthy, FLR partial",
    faults: &[(None, Command::Flr(Reset::Partial))],
};

/// Nothing is wrong, and neither an FLR nor a reset from above does anything.
pub const RESETS_IGNORED: Case = Case {
    name: "healthy, FLR and SBR ignored",
    faults: &[(None, Command::Flr(Reset::Ignore)), (None, Command::Sbr(Reset::Ignore))],
};

/// Nothing is wrong, and both reset the PCIe interface alone.
pub const RESETS_PARTIAL: Case = Case {
    name: "healthy, FLR and SBR partial",
    faults: &[
        (None, Command::Flr(Reset::Partial)),
        (None, Command::Sbr(Reset::Partial)),
    ],
};

/// Nothing is wrong, and a reset from above does nothing to the last tenant's state in function 1.
pub const SIBLING_IGNORES_SBR: Case = Case {
    name: "healthy, function 1 ignores SBR",
    faults: &[(Some(1), Command::Sbr(Reset::Ignore))],
};

/// An FLR takes place a quarter of a second after it was asked for.
pub const FLR_LATE: Case = Case {
    name: "FLR 250 ms late",
    faults: &[(None, Command::Flr(Reset::Late { ms: 250 }))],
};

/// The function is well after an FLR, and off the bus a quarter of a second later.
pub const FLR_KILLS_LATER: Case = Case {
    name: "FLR kills 250 ms later",
    faults: &[(None, Command::Flr(Reset::Dies { ms: 250 }))],
};

/// The same after a reset from above: only power helps.
pub const SBR_KILLS_LATER: Case = Case {
    name: "FLR ignored, SBR kills 250 ms later",
    faults: &[
        (None, Command::Flr(Reset::Ignore)),
        (None, Command::Sbr(Reset::Dies { ms: 250 })),
    ],
};

/// Another GPU's serial number after any reset; the board has to have one.
pub const ANOTHER_SERIAL_NUMBER: Case = Case {
    name: "another serial number after a reset",
    faults: &[(
        Some(0),
        Command::Serial(Serial::AfterReset {
            number: 0x48b0_2dff_ffff_0001,
        }),
    )],
};

/// Resets that do not do what the machine believes.
pub const UNFAITHFUL: [Case; 9] = [
    WELL_AND_FLR_IGNORED,
    FLR_PARTIAL,
    RESETS_IGNORED,
    RESETS_PARTIAL,
    SIBLING_IGNORES_SBR,
    FLR_LATE,
    FLR_KILLS_LATER,
    SBR_KILLS_LATER,
    ANOTHER_SERIAL_NUMBER,
];

/// All whose outcome does not depend on what can be proven of a reset.
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
const NO_FAULTS: [Command; 9] = [
    Command::Flr(Reset::Normal),
    Command::Pm(Reset::Normal),
    Command::DeviceSpecific(Reset::Normal),
    Command::Sbr(Reset::Normal),
    Command::Bars(Bars::Normal),
    Command::Pending(Stuck::Normal),
    Command::PmcsrStuck(Stuck::Normal),
    Command::ConfigDelay(ConfigDelay { ms: 0, reads: None }),
    Command::Serial(Serial::Own),
];

impl Gpu {
    /// Breaks it.
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn suffer(&self, case: &Case) -> Result<()> {
        self.suffer_all(case.faults)
    }

    /// Breaks it in these ways, each of one function or of all.
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn suffer_all(&self, faults: &[(Option<u8>, Command)]) -> Result<()> {
        for (function, command) in faults {
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
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn end_faults(&self) -> Result<()> {
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

    /// How deep each function was in truth reset since it was in this state.
    ///
    /// # Errors
    /// When the fake does not answer.
    pub fn resets_since(&self, before: &[FunctionState]) -> Result<Vec<Option<Depth>>> {
        Ok(resets_between(before, &self.truth()?))
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
