//! Our own way to recover a GPU: what it costs, what it says, and whether it is true.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::FunctionState;
use serde_json::Value;

use crate::accesses::now;
use crate::contract::{self, rung};
use crate::faults::{Case, Depth, resets_between};
use crate::{Gpu, Job, Running};

/// The kernel's own reset may take seventy seconds of it.
const TIMEOUT: Duration = Duration::from_secs(200);

/// How a recovery went.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The GPU's device in the guest.
    pub device: String,
    /// How long it took, by the guest's clock, the program's start and end included.
    pub took: Duration,
    /// The exit status.
    pub status: i32,
    /// What it said, one event each.
    pub events: Vec<Value>,
    /// How each function was in truth when it was begun.
    pub before: Vec<FunctionState>,
    /// How each function was in truth when it had ended.
    pub after: Vec<FunctionState>,
    /// When it was begun, by the host's clock.
    pub since: Duration,
}

impl Recovery {
    /// Whether it said that the GPU is recovered.
    pub fn says_recovered(&self) -> bool {
        // A plan has no end.
        self.status == 0 && self.end().is_some()
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

    /// How it went, in short.
    pub fn outline(&self) -> String {
        let end = self.end().map(Value::to_string).unwrap_or_default();
        format!(
            "status {} after {:?}, rungs {:?}, {end}",
            self.status,
            self.took,
            self.rungs()
        )
    }

    /// What it did and said, a line each, without what it began.
    pub fn told(&self) -> String {
        let lines = self.events.iter().filter(|event| event["event"] != "began");
        lines.map(|event| format!("{event}\n")).collect()
    }

    /// Whether all functions were well in truth when it had ended.
    pub fn is_well(&self) -> bool {
        self.after.iter().all(FunctionState::is_well)
    }

    /// How deep each function was in truth reset by it.
    pub fn resets(&self) -> Vec<Option<Depth>> {
        resets_between(&self.before, &self.after)
    }

    /// The functions of a GPU that were reset and how deep, by its own words. Where it has none: an FLR is one of function 0,
    /// every other rung one of each function, and there is no word of what is behind the BARs.
    ///
    /// # Errors
    /// When its words make no sense.
    pub fn claims(&self) -> Result<BTreeMap<u8, Depth>> {
        let end = self.end().context("it has no end")?;
        let functions = self.before.iter().map(|state| state.function);
        if let Some(depth) = contract::proven(end)? {
            return Ok(functions.map(|function| (function, depth)).collect());
        }
        let is_hit = |function: &u8| *function == 0 || self.by() != Some(rung::FLR);
        Ok(functions
            .filter(is_hit)
            .map(|function| (function, Depth::Configuration))
            .collect())
    }

    /// Checks that nothing was said that is not true: "recovered" of a GPU that is not well, or a function that was reset of
    /// one that was not.
    ///
    /// # Errors
    /// When it was.
    pub fn check_truth(&self) -> Result<()> {
        if !self.says_recovered() {
            return Ok(());
        }
        ensure!(self.is_well(), "a false \"recovered\": {:?}", self.after);
        let resets = self.resets();
        for (function, claimed) in self.claims()? {
            let reset = resets.get(usize::from(function)).copied().flatten();
            ensure!(
                reset >= Some(claimed),
                "a false \"reset\": function {function}, {claimed:?}, and in truth {reset:?}: {:?}",
                self.after
            );
        }
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
        let recovery = self.begin_recovery(gpu, arguments)?.wait()?;
        recovery.check_truth().with_context(|| recovery.told())?;
        Ok(recovery)
    }

    /// Begins to recover a GPU as it is; nothing is judged.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn begin_recovery<'a>(&'a self, gpu: &'a Gpu, arguments: &str) -> Result<Begun<'a>> {
        let (since, before) = (now(), gpu.truth()?);
        let command = format!("reseat recover {} --json {arguments}", gpu.device);
        Ok(Begun {
            gpu,
            job: self.start(&command)?,
            command,
            before,
            since,
        })
    }
}

/// A recovery that was begun.
#[derive(Debug)]
pub struct Begun<'a> {
    gpu: &'a Gpu,
    job: Job<'a>,
    command: String,
    before: Vec<FunctionState>,
    since: Duration,
}

impl Begun<'_> {
    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end, was not begun, or what it says makes no sense.
    pub fn wait(self) -> Result<Recovery> {
        let Self { command, .. } = &self;
        let ended = self.job.wait(TIMEOUT)?;
        let events = ended.stdout.lines().map(contract::document);
        let events = events
            .collect::<Result<_, _>>()
            .with_context(|| format!("{command}: {ended:?}"))?;
        ensure!(ended.status != 1, "{command} was not begun: {}", ended.stderr.trim());
        Ok(Recovery {
            device: self.gpu.device.clone(),
            took: ended.took,
            status: ended.status,
            events,
            before: self.before,
            after: self.gpu.truth()?,
            since: self.since,
        })
    }
}

#[cfg(test)]
mod tests {
    use fake_gpu::control::{Bars, PowerState, Presence};
    use serde_json::json;

    use super::*;

    fn state(function: u8, config_resets: u32, device_resets: u32) -> FunctionState {
        FunctionState {
            function,
            presence: Presence::Ready,
            power_state: PowerState::D0,
            flr: 0,
            pm: 0,
            device_specific: 0,
            sbr: 0,
            power_cycles: 0,
            config_resets,
            device_resets,
            bars: Bars::Normal,
            pending: false,
            is_other: false,
        }
    }

    /// What a GPU of two functions was reset by, and how often each of them was in truth.
    fn recovered(end: &Value, resets: [(u32, u32); 2]) -> Recovery {
        let after = [0, 1].into_iter().zip(resets);
        Recovery {
            device: "0000:01:00".to_owned(),
            took: Duration::ZERO,
            status: 0,
            events: vec![json!({"event": "done", "end": end})],
            before: vec![state(0, 1, 1), state(1, 1, 1)],
            after: after
                .map(|(function, (config, device))| state(function, config, device))
                .collect(),
            since: Duration::ZERO,
        }
    }

    fn is_true(end: &Value, resets: [(u32, u32); 2]) -> bool {
        recovered(end, resets).check_truth().is_ok()
    }

    #[test]
    fn a_rung_without_a_proof_claims_what_it_resets() {
        let flr = json!({"kind": "recovered", "by": "kernel-flr"});
        assert!(is_true(&flr, [(2, 1), (1, 1)]));
        assert!(!is_true(&flr, [(1, 1), (2, 2)]));
        let sbr = json!({"kind": "recovered", "by": "detach-sbr"});
        assert!(is_true(&sbr, [(2, 1), (2, 2)]));
        assert!(!is_true(&sbr, [(2, 2), (1, 1)]));
    }

    #[test]
    fn a_proof_claims_every_function_to_its_depth() {
        let proof = |depth| json!({"kind": "recovered", "by": "kernel-flr", "proof": depth});
        assert!(is_true(&proof("device"), [(2, 2), (2, 2)]));
        assert!(!is_true(&proof("device"), [(2, 2), (2, 1)]));
        assert!(is_true(&proof("configuration"), [(2, 1), (2, 1)]));
        assert!(!is_true(&proof("configuration"), [(2, 2), (1, 1)]));
        assert!(recovered(&proof("deep"), [(2, 2), (2, 2)]).check_truth().is_err());
    }

    #[test]
    fn one_that_is_not_well_is_not_recovered() {
        let end = json!({"kind": "recovered", "by": "kernel-flr"});
        let mut recovery = recovered(&end, [(2, 2), (2, 2)]);
        assert!(recovery.check_truth().is_ok());
        recovery.after[1].presence = Presence::Absent;
        assert!(recovery.check_truth().is_err());
        recovery.status = 5;
        assert!(recovery.check_truth().is_ok());
    }
}
