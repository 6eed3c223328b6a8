//! The steps that Linux takes for the ladder's operations.

use std::fmt;
use std::time::Duration;

use reseat_core::recovery::{Observation, Operation};
use serde::{Deserialize, Serialize};

/// One step of an operation. Any of them may block in the kernel, so each has a limit of its own and is reported before it
/// begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LadderStep {
    /// Look for users in `/proc` and `/sys`.
    CheckUse,
    /// Read the port's Link Status, and nothing below it.
    ReadLink,
    /// Survey again who is below the card root.
    CheckDomain,
    /// Judge the readiness of every function.
    LookAtFunctions,
    /// Write down durably what has to be put back: identities, drivers, BAR sizes, overrides, the port.
    Journal,
    /// Have every function in D0, by `power/control`.
    Wake,
    /// Unbind every function of the GPU.
    Unbind,
    /// Place the marks of the reset witness, after they were noted in the journal.
    Mark,
    /// `reset` with `reset_method` `flr`, which is put back as it was; of each function that has FLR.
    KernelFlr,
    /// `reset` with `reset_method` `pm`, which is put back as it was.
    KernelPm,
    /// `reset_subordinate` of the card root, with all functions below it.
    BusResetInPlace,
    /// `reset` of the GPU itself with `reset_method` `device_specific`, which is put back as it was.
    DeviceSpecific,
    /// `reset` with `reset_method` `acpi`, which is put back as it was; of each function that lists it.
    Acpi,
    /// Note in the journal what every function and port on the path has counted of errors.
    RecordErrors,
    /// `remove` of the functions in the journal.
    RemoveBelowCardRoot,
    /// `reset_subordinate` of the card root.
    ResetEmptyBus,
    /// `rescan` of the bus below the card root.
    Rescan,
    /// Read the marks, and put back what those overwrote that are still there.
    ReadMarks,
    /// Resizable BARs back to the sizes in the journal.
    RestoreBarSizes,
    /// The driver overrides in the journal.
    RestoreOverride,
    /// Bind every function to the driver that it is to have, and read that back.
    Claim,
    /// Disable runtime PM. After the bind, which would enable it.
    PinD0,
    /// The slot's `power` to 0.
    PowerOff,
    /// The slot's `power` to 1.
    PowerOn,
    /// A power cycle by the BMC.
    CyclePower,
    /// Compare every function with its baseline.
    Verify,
}

impl LadderStep {
    /// All steps; those of one operation in their order.
    const ALL: [Self; 26] = [
        Self::CheckUse,
        Self::ReadLink,
        Self::CheckDomain,
        Self::LookAtFunctions,
        Self::Journal,
        Self::Wake,
        Self::Unbind,
        Self::Mark,
        Self::KernelFlr,
        Self::KernelPm,
        Self::BusResetInPlace,
        Self::DeviceSpecific,
        Self::Acpi,
        Self::RecordErrors,
        Self::RemoveBelowCardRoot,
        Self::ResetEmptyBus,
        Self::Rescan,
        Self::ReadMarks,
        Self::RestoreBarSizes,
        Self::RestoreOverride,
        Self::Claim,
        Self::PinD0,
        Self::PowerOff,
        Self::PowerOn,
        Self::CyclePower,
        Self::Verify,
    ];

    /// The steps of an operation, in order.
    pub fn of(operation: Operation) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |step| step.operation() == operation)
    }

    /// The operation that it is a step of.
    pub const fn operation(self) -> Operation {
        match self {
            Self::CheckUse => Operation::CheckUse,
            Self::ReadLink => Operation::ReadLink,
            Self::CheckDomain => Operation::CheckDomain,
            Self::LookAtFunctions => Operation::LookAtFunctions,
            Self::Journal => Operation::Save,
            Self::Wake => Operation::Wake,
            Self::Unbind => Operation::Release,
            Self::Mark => Operation::Mark,
            Self::KernelFlr => Operation::Flr,
            Self::KernelPm => Operation::PmReset,
            Self::BusResetInPlace => Operation::BusResetInPlace,
            Self::DeviceSpecific => Operation::DeviceSpecificReset,
            Self::Acpi => Operation::AcpiReset,
            Self::RecordErrors => Operation::RecordErrors,
            Self::RemoveBelowCardRoot => Operation::Detach,
            Self::ResetEmptyBus => Operation::SecondaryBusReset,
            Self::Rescan => Operation::Rescan,
            Self::ReadMarks => Operation::ReadMarks,
            Self::RestoreBarSizes | Self::RestoreOverride => Operation::Restore,
            Self::Claim | Self::PinD0 => Operation::HandBack,
            Self::PowerOff => Operation::PowerOff,
            Self::PowerOn => Operation::PowerOn,
            Self::CyclePower => Operation::CyclePower,
            Self::Verify => Operation::Verify,
        }
    }

    /// How long it may take: its share of the operation's limit.
    pub fn limit(self) -> Duration {
        let steps = Self::of(self.operation()).count();
        let share = u32::try_from(steps).unwrap_or(1);
        self.operation().limit().checked_div(share).unwrap_or_default()
    }

    /// Has the steps of an operation taken, and answers for all of them. After one that does not come back none is taken,
    /// and after one that has failed only what does not depend on it.
    pub fn take_all(operation: Operation, mut take: impl FnMut(Self) -> Observation) -> Observation {
        let mut failed = None;
        let mut last = Observation::Done;
        for step in Self::of(operation) {
            last = take(step);
            match last {
                Observation::Blocked => return last,
                Observation::Failed(_) | Observation::Vanished if step.next_is_independent() => failed = Some(last),
                Observation::Failed(_) | Observation::Vanished => return last,
                _ => {}
            }
        }
        failed.unwrap_or(last)
    }

    /// True if the next step is taken even where this one has failed: a GPU whose BARs cannot be resized is still to have
    /// its override.
    const fn next_is_independent(self) -> bool {
        matches!(self, Self::RestoreBarSizes)
    }
}

impl fmt::Display for LadderStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CheckUse => "check who uses it",
            Self::ReadLink => "read the port's link",
            Self::CheckDomain => "check who would be hit",
            Self::LookAtFunctions => "look at the functions",
            Self::Journal => "write the journal",
            Self::Wake => "wake",
            Self::Unbind => "unbind",
            Self::Mark => "place marks",
            Self::KernelFlr => "FLR by the kernel",
            Self::KernelPm => "PM reset by the kernel",
            Self::BusResetInPlace => "bus reset in place",
            Self::DeviceSpecific => "device-specific reset by the kernel",
            Self::Acpi => "ACPI reset by the kernel",
            Self::RecordErrors => "record error counters",
            Self::RemoveBelowCardRoot => "remove everything below the card root",
            Self::ResetEmptyBus => "secondary bus reset on the empty bus",
            Self::Rescan => "rescan",
            Self::ReadMarks => "read the marks",
            Self::RestoreBarSizes => "restore BAR sizes",
            Self::RestoreOverride => "restore driver overrides",
            Self::Claim => "bind",
            Self::PinD0 => "pin in D0",
            Self::PowerOff => "slot power off",
            Self::PowerOn => "slot power on",
            Self::CyclePower => "power off and on by the BMC",
            Self::Verify => "verify",
        })
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::recovery::Failure;

    use super::*;

    #[test]
    fn steps_of_an_operation_fit_into_its_limit_in_their_order() {
        for step in LadderStep::ALL {
            let operation = step.operation();
            let limits: Duration = LadderStep::of(operation).map(LadderStep::limit).sum();
            assert_eq!(limits, operation.limit(), "{operation}");
        }
        let restore: Vec<LadderStep> = LadderStep::of(Operation::Restore).collect();
        assert_eq!(restore, [LadderStep::RestoreBarSizes, LadderStep::RestoreOverride]);
        let hand_back: Vec<LadderStep> = LadderStep::of(Operation::HandBack).collect();
        assert_eq!(hand_back, [LadderStep::Claim, LadderStep::PinD0]);
    }

    fn take_all(operation: Operation, faulty: LadderStep, fault: Observation) -> (Observation, Vec<LadderStep>) {
        let mut taken = Vec::new();
        let answer = LadderStep::take_all(operation, |step| {
            taken.push(step);
            if step == faulty { fault } else { Observation::Done }
        });
        (answer, taken)
    }

    #[test]
    fn overrides_are_restored_where_bar_sizes_cannot_be() {
        let both = vec![LadderStep::RestoreBarSizes, LadderStep::RestoreOverride];
        let fault = Observation::Failed(Failure::Invalid);
        let answer = take_all(Operation::Restore, LadderStep::RestoreBarSizes, fault);
        assert_eq!(answer, (fault, both));
        let (answer, _) = take_all(Operation::Restore, LadderStep::Wake, fault);
        assert_eq!(answer, Observation::Done);
    }

    #[test]
    fn no_step_follows_one_that_does_not_come_back_or_that_it_depends_on() {
        let (restore, hand_back) = (Operation::Restore, Operation::HandBack);
        let blocked = take_all(restore, LadderStep::RestoreBarSizes, Observation::Blocked);
        assert_eq!(blocked, (Observation::Blocked, vec![LadderStep::RestoreBarSizes]));
        let failed = take_all(hand_back, LadderStep::Claim, Observation::Vanished);
        assert_eq!(failed, (Observation::Vanished, vec![LadderStep::Claim]));
    }
}
