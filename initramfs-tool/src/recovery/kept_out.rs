//! FLR kept out of the kernel's own resets, where it is known bad.
//!
//! The kernel resets a function when a VM opens or closes it, by the methods in `reset_method`. A GPU that FLR takes off the bus
//! would be lost at the next open.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::ClassHistory;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::records::versioned::{VersionError, Versioned};

/// The kernel's names for FLR, by PCI Express and by Advanced Features.
pub(crate) const FLR: &[&str] = &["flr", "af_flr"];

/// The change of a function's `reset_method`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MethodChange {
    /// None.
    Keep,
    /// This list, without FLR.
    TakeOut(String),
    /// The former list, with FLR.
    PutBack(String),
}

/// Decides about a function whose `reset_method` holds `now`, and held `before` if FLR was taken out of it. Only a class that is
/// known good gets FLR back.
pub(crate) fn change(flr: ClassHistory, now: &str, before: Option<&str>) -> MethodChange {
    match (flr, has_flr(now), before) {
        (ClassHistory::Bad, true, _) => MethodChange::TakeOut(without_flr(now)),
        (ClassHistory::Good, false, Some(before)) => MethodChange::PutBack(before.to_owned()),
        _ => MethodChange::Keep,
    }
}

/// True if a list of methods has FLR.
pub(crate) fn has_flr(methods: &str) -> bool {
    methods.split_whitespace().any(|method| FLR.contains(&method))
}

fn without_flr(methods: &str) -> String {
    let others: Vec<&str> = methods
        .split_whitespace()
        .filter(|method| !FLR.contains(method))
        .collect();
    others.join(" ")
}

/// The record of the lists out of which FLR was taken, written before they are changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Document")]
pub struct KeptOut {
    /// The GPU.
    pub device: DeviceAddress,
    /// The functions, each with the `reset_method` that it had.
    pub functions: Vec<FormerMethods>,
}

/// The `reset_method` that a function had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerMethods {
    /// The function.
    pub function: FunctionAddress,
    /// The list.
    pub reset_method: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Document {
    schema: String,
    device: DeviceAddress,
    functions: Vec<FormerMethods>,
}

impl From<KeptOut> for Document {
    fn from(kept: KeptOut) -> Self {
        Self {
            schema: KeptOut::SCHEMA.to_owned(),
            device: kept.device,
            functions: kept.functions,
        }
    }
}

impl Versioned for KeptOut {
    const SCHEMA: &'static str = "reseat.flr-kept-out/1";

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        match schema {
            Self::SCHEMA => {
                let document: Document = serde_json::from_value(value)?;
                Ok(Self {
                    device: document.device,
                    functions: document.functions,
                })
            }
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

impl KeptOut {
    /// The list that a function had.
    pub(crate) fn before(&self, function: FunctionAddress) -> Option<&str> {
        let mut functions = self.functions.iter();
        let former = functions.find(|former| former.function == function)?;
        Some(&former.reset_method)
    }

    /// Notes the list that a function has; a former note was of a function that has come again since.
    pub(crate) fn note(&mut self, function: FunctionAddress, reset_method: &str) {
        self.forget(function);
        self.functions.push(FormerMethods {
            function,
            reset_method: reset_method.to_owned(),
        });
    }

    /// Removes the note of a function.
    pub(crate) fn forget(&mut self, function: FunctionAddress) {
        self.functions.retain(|former| former.function != function);
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::decision::ClassHistory::{Bad, Good, Unknown};

    use super::*;

    #[test]
    fn flr_is_taken_out_where_it_is_known_bad_and_nothing_else_is() {
        for (now, left) in [
            ("flr", ""),
            ("flr pm bus", "pm bus"),
            ("device_specific af_flr bus", "device_specific bus"),
        ] {
            assert_eq!(change(Bad, now, None), MethodChange::TakeOut(left.to_owned()));
            // One that has come again has the kernel's list again, whatever was taken out before.
            assert_eq!(change(Bad, now, Some("flr")), MethodChange::TakeOut(left.to_owned()));
            for other in [Good, Unknown] {
                assert_eq!(change(other, now, None), MethodChange::Keep, "{now}");
            }
        }
        for now in ["", "pm bus", "device_specific"] {
            assert_eq!(change(Bad, now, None), MethodChange::Keep, "{now}");
        }
    }

    #[test]
    fn only_a_class_that_is_known_good_gets_it_back_and_only_where_we_took_it() {
        let back = MethodChange::PutBack("flr pm".to_owned());
        assert_eq!(change(Good, "pm", Some("flr pm")), back);
        assert_eq!(change(Good, "pm", None), MethodChange::Keep);
        assert_eq!(change(Unknown, "pm", Some("flr pm")), MethodChange::Keep);
        assert_eq!(change(Bad, "pm", Some("flr pm")), MethodChange::Keep);
    }
}
