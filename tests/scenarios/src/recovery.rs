//! Our own way to recover a GPU: what it costs, what it says, and whether it is true.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::accesses::now;
use crate::faults::Case;
use crate::{Gpu, Running, contract};

/// The kernel's own reset may take seventy seconds of it.
const TIMEOUT: Duration = Duration::from_secs(200);

/// How a recovery went.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How long it took, by the guest's clock, the program's start and end included.
    pub took: Duration,
    /// The exit status.
    pub status: i32,
    /// What it said, one event each.
    pub events: Vec<Value>,
    /// Whether all functions were well in truth when it had ended.
    pub well: bool,
    /// When it was begun, by the host's clock.
    pub since: Duration,
}

impl Recovery {
    /// Whether it said that the GPU is recovered.
    pub fn says_recovered(&self) -> bool {
        self.status == 0
    }

    /// The rung that brought it back, by its own words.
    pub fn by(&self) -> Option<&str> {
        contract::recovered_by(self.end()?)
    }

    /// How it ended, by its own words.
    pub fn end(&self) -> Option<&Value> {
        self.events.iter().find_map(contract::end_of)
    }

    /// All rungs that were begun, in order.
    pub fn rungs(&self) -> Vec<&str> {
        self.events.iter().filter_map(contract::rung_begun).collect()
    }

    /// Whether an operation was done.
    pub fn did(&self, operation: &str) -> bool {
        self.events
            .iter()
            .any(|event| event["event"] == "ended" && event["operation"] == operation)
    }

    /// What was said in words, anywhere.
    pub fn says(&self, text: &str) -> bool {
        let findings = self.events.iter().filter_map(|event| event["findings"].as_array());
        findings
            .flatten()
            .any(|finding| contract::as_text(finding).contains(text))
    }

    /// What it did and said, a line each, without what it began.
    pub fn told(&self) -> String {
        let lines = self.events.iter().filter(|event| event["event"] != "began");
        lines.map(|event| format!("{event}\n")).collect()
    }

    /// Checks that nothing was said that is not true: "recovered" of a GPU that is not well.
    ///
    /// # Errors
    /// When it was.
    pub fn check_truth(&self, gpu: &Gpu) -> Result<()> {
        ensure!(
            !self.says_recovered() || self.well,
            "a false \"recovered\": {:?}\n{}",
            gpu.truth()?,
            self.told()
        );
        Ok(())
    }
}

impl Running {
    /// Records what each GPU of the scene is like now.
    ///
    /// # Errors
    /// When one is not well.
    pub fn save_baselines(&self) -> Result<()> {
        let devices: Vec<&str> = self.gpus.iter().map(|gpu| gpu.device.as_str()).collect();
        self.shell(&format!("reseat baseline save {}", devices.join(" ")))?;
        Ok(())
    }

    /// Breaks a GPU, and recovers it with these further arguments.
    ///
    /// # Errors
    /// When the guest does not answer, or what it says makes no sense.
    pub fn recover(&self, gpu: &Gpu, case: &Case, arguments: &str) -> Result<Recovery> {
        gpu.suffer(case)?;
        self.recover_as_it_is(gpu, arguments)
    }

    /// Recovers a GPU as it is.
    ///
    /// # Errors
    /// As [`Running::recover`].
    pub fn recover_as_it_is(&self, gpu: &Gpu, arguments: &str) -> Result<Recovery> {
        let since = now();
        let command = format!("reseat recover {} --json {arguments}", gpu.device);
        let ended = self.run(&command, TIMEOUT)?;
        let events = ended.stdout.lines().map(contract::document);
        let events = events
            .collect::<Result<_, _>>()
            .with_context(|| format!("{command}: {ended:?}"))?;
        let recovery = Recovery {
            took: ended.took,
            status: ended.status,
            events,
            well: gpu.is_well()?,
            since,
        };
        ensure!(recovery.status != 1, "{command} was not begun: {}", ended.stderr.trim());
        recovery.check_truth(gpu)?;
        Ok(recovery)
    }
}
