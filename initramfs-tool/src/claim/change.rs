//! What a claim changes, and the way back.

use reseat_core::address::FunctionAddress;
use serde::{Deserialize, Serialize};

use super::operation::{Attribute, Operation, OperationAnswer, Verb};

/// A change made to a function, with what takes it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The function that was changed.
    pub function: FunctionAddress,
    /// What takes the change back.
    pub undo: Verb,
}

impl Change {
    /// Whether `operation` is what takes this change back.
    pub(super) fn is_undone_by(&self, operation: &Operation) -> bool {
        self.function == operation.function && self.undo == operation.verb
    }

    /// The changes that an operation made. `power_control` is what that attribute was before the claim.
    pub(super) fn of(operation: &Operation, answer: &OperationAnswer, power_control: Option<&str>) -> Vec<Self> {
        let restored_control = || {
            power_control.map(|value| Verb::Write {
                attribute: Attribute::PowerControl,
                value: value.to_owned(),
            })
        };
        let undo: Vec<Verb> = match (&operation.verb, answer) {
            (
                Verb::Write {
                    attribute: Attribute::PowerControl,
                    ..
                },
                OperationAnswer::Written { .. },
            ) => restored_control().into_iter().collect(),
            (Verb::Write { attribute, value }, OperationAnswer::Written { before }) => {
                // Unset, `driver_override` reads as `(null)`; an empty line unsets it.
                let before = if before == "(null)" { "" } else { before };
                let undo = Verb::Write {
                    attribute: *attribute,
                    value: before.to_owned(),
                };
                if before == value { Vec::new() } else { vec![undo] }
            }
            (Verb::Unbind { driver }, OperationAnswer::Accepted) => vec![Verb::Bind { driver: driver.clone() }],
            (Verb::ReleaseFramebuffer(framebuffer), OperationAnswer::Accepted) => {
                vec![Verb::RestoreFramebuffer(framebuffer.clone())]
            }
            (Verb::Bind { driver }, OperationAnswer::Accepted) => {
                let driver = driver.clone();
                std::iter::once(Verb::Unbind { driver })
                    .chain(restored_control())
                    .collect()
            }
            _ => Vec::new(),
        };
        let function = operation.function;
        undo.into_iter().map(|undo| Self { function, undo }).collect()
    }
}

/// What takes `changes` back, in an order that works: a function leaves vfio-pci before its attributes are restored,
/// since that driver writes `power/control` itself, and its former driver gets it only when the override is gone. All that is
/// about the function `last` comes after the rest: who touches it may block.
pub(super) fn undo_script(changes: &[Change], last: Option<FunctionAddress>) -> Vec<Operation> {
    let mut script: Vec<Operation> = Vec::new();
    for change in changes.iter().rev() {
        let operation = Operation {
            function: change.function,
            verb: change.undo.clone(),
        };
        if !script.contains(&operation) {
            script.push(operation);
        }
    }
    script.sort_by_key(|operation| {
        let turn = match operation.verb {
            Verb::Unbind { .. } => 0,
            Verb::Bind { .. } => 2,
            _ => 1,
        };
        (Some(operation.function) == last, turn)
    });
    script
}
