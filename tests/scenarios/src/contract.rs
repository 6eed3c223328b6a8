//! The words of reseat's JSON. What reads its reports asks here, so that another version of them is learned in one place.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The schemas of its documents.
pub mod schema {
    /// The report of a claim.
    pub const CLAIM: &str = "reseat.claim/1";
    /// The ledger of GPUs that are out of service.
    pub const QUARANTINE: &str = "reseat.quarantine/1";
    /// What `reseat quarantine list` prints.
    pub const QUARANTINE_LIST: &str = "reseat.quarantine-list/1";
    /// A bundle of evidence.
    pub const EVIDENCE: &str = "reseat.evidence/1";
    /// What `reseat evidence list` prints.
    pub const EVIDENCE_LIST: &str = "reseat.evidence-list/1";
}

/// The rungs of a recovery.
pub mod rung {
    /// The kernel's own FLR.
    pub const FLR: &str = "KernelFlr";
    /// Removed, reset by the port above, and found again.
    pub const SBR: &str = "DetachSbr";
    /// The slot's power, switched off and on.
    pub const SLOT_POWER: &str = "SlotPower";
}

/// The operations that would hit what is beside a GPU.
pub mod operation {
    /// Everything below the card's root is removed.
    pub const REMOVE_BELOW_CARD_ROOT: &str = "RemoveBelowCardRoot";
    /// The slot's power is switched off.
    pub const POWER_OFF: &str = "PowerOff";
}

/// The word for what every moment of a bundle is before the first rung.
pub const BEFORE: &str = "before";

/// Checks which schema a document has.
///
/// # Errors
/// When it has another.
pub fn check_schema(document: &Value, schema: &str) -> Result<()> {
    ensure!(document["schema"] == schema, "not {schema}: {document:#}");
    Ok(())
}

/// What a claim came to: of a report, all of it; of a GPU in it, that GPU.
pub fn verdict(claimed: &Value) -> &str {
    claimed["verdict"].as_str().unwrap_or_default()
}

/// What is wrong, in words: with a rule, or with a GPU that was to be claimed; empty if nothing is.
pub fn problem(of: &Value) -> &str {
    of["problem"].as_str().unwrap_or_default()
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
    end.get("Recovered")?.get("by")?.as_str()
}

/// The rung that was begun, if this event says so.
pub fn rung_begun(event: &Value) -> Option<&str> {
    event.get("record")?["rung"].as_str()
}

/// The rung after which a moment of a bundle was recorded.
pub fn after_rung(when: &Value) -> Option<&str> {
    when["after"].as_str()
}
