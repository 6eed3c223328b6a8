//! The words of reseat's JSON. What reads its reports asks here, so that another version of them is learned in one place.

#[cfg(feature = "schemas")]
mod shipped;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::faults::Depth;

/// The schemas of its documents.
pub mod schema {
    /// The report of a claim.
    pub const CLAIM: &str = "reseat.claim/2";
    /// The ledger of GPUs that are out of service.
    pub const QUARANTINE: &str = "reseat.quarantine/2";
    /// What `reseat quarantine list` prints.
    pub const QUARANTINE_LIST: &str = "reseat.quarantine-list/2";
    /// A bundle of evidence.
    pub const EVIDENCE: &str = "reseat.evidence/2";
    /// What `reseat evidence list` prints.
    pub const EVIDENCE_LIST: &str = "reseat.evidence-list/2";
}

/// The rungs of a recovery.
pub mod rung {
    /// The kernel's own FLR.
    pub const FLR: &str = "kernel-flr";
    /// Reset by the port above, all functions in their place.
    pub const BUS: &str = "bus-reset-in-place";
    /// Removed, reset by the port above, and found again.
    pub const SBR: &str = "detach-sbr";
    /// The kernel's, or a module's, own reset for the model.
    pub const DEVICE_SPECIFIC: &str = "device-specific";
    /// The slot's power, switched off and on.
    pub const SLOT_POWER: &str = "slot-power";
}

/// The operations that would hit what is beside a GPU.
pub mod operation {
    /// Everything below the card's root is removed.
    pub const REMOVE_BELOW_CARD_ROOT: &str = "remove-below-card-root";
    /// The slot's power is switched off.
    pub const POWER_OFF: &str = "power-off";
}

/// Reads a document that a command printed with `--json`, or one line of an event stream.
///
/// # Errors
/// When it is no JSON, or no schema that ships with the program allows it.
pub fn document(text: &str) -> Result<Value> {
    let document: Value = serde_json::from_str(text).with_context(|| format!("no JSON: {text}"))?;
    #[cfg(feature = "schemas")]
    shipped::check(&document)?;
    Ok(document)
}

/// What a claim came to: of a report, all of it; of a GPU in it, that GPU.
pub fn verdict(claimed: &Value) -> &str {
    claimed["verdict"].as_str().unwrap_or_default()
}

/// The problem of a rule, or of a GPU that was to be claimed, in words; empty if it has none.
pub fn problem(of: &Value) -> String {
    as_text(&of["problem"])
}

/// The sentence of a finding and what helps; empty if there is no finding.
pub fn as_text(finding: &Value) -> String {
    let help = finding["help"].as_array().into_iter().flatten();
    let parts = [&finding["message"]].into_iter().chain(help);
    parts.filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// What a claim's report has of a GPU.
///
/// # Errors
/// When it has nothing of it.
pub fn gpu_in<'a>(report: &'a Value, device: &str) -> Result<&'a Value> {
    let mut gpus = report["gpus"].as_array().into_iter().flatten();
    gpus.find(|gpu| gpu["device"] == device)
        .with_context(|| format!("{device} is not in it: {report:#}"))
}

/// How long a claim took, in milliseconds.
///
/// # Errors
/// When the report has no such number.
pub fn duration_ms(report: &Value) -> Result<f64> {
    report["duration_ms"].as_f64().context("no duration in the report")
}

/// How a recovery ended, if this event says so.
pub fn end_of(event: &Value) -> Option<&Value> {
    event.get("end")
}

/// The rung that brought a GPU back, of how a recovery ended.
pub fn recovered_by(end: &Value) -> Option<&str> {
    (end["kind"] == "recovered").then(|| end["by"].as_str())?
}

/// How deep every function was reset, by its own proof, of how a recovery ended; nothing if it does not say.
///
/// # Errors
/// When it says something else.
pub fn proven(end: &Value) -> Result<Option<Depth>> {
    match end.get("proof").map(Value::as_str) {
        None => Ok(None),
        Some(Some("configuration")) => Ok(Some(Depth::Configuration)),
        Some(Some("device")) => Ok(Some(Depth::Device)),
        Some(other) => bail!("a proof without a depth: {other:?}"),
    }
}

/// The rung that was begun, if this event says so.
pub fn rung_begun(event: &Value) -> Option<&str> {
    event.get("record")?["rung"].as_str()
}

/// True if a moment of a bundle was recorded before the first rung.
pub fn is_before(moment: &Value) -> bool {
    moment["when"] == "before"
}

/// The rung after which a moment of a bundle was recorded.
pub fn after_rung(moment: &Value) -> Option<&str> {
    (moment["when"] == "after").then(|| moment["rung"].as_str())?
}
