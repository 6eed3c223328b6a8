//! Reports with the schema `reseat.claim/1`, whose problems are sentences.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};
use serde::Deserialize;

use super::{
    FailureReport, FunctionReport, GpuReport, GpuVerdict, Kept, ModuleReport, PeerReport, QuarantineReport, Report,
    RuleReport, SCHEMA, VariantReport, Verdict,
};
use crate::claim::{FailureKind, Leftover, PowerReading};
use crate::model::finding::{Finding, Id, Severity, Subject, SubjectKind, id};
use crate::rules::Source;

/// The name of this version.
pub const FIRST_SCHEMA: &str = "reseat.claim/1";

/// Reads a report of this version.
///
/// # Errors
/// When the text is not such a report.
pub fn read(text: &str) -> serde_json::Result<Report> {
    serde_json::from_str::<FirstReport>(text).map(Report::from)
}

#[derive(Deserialize)]
struct FirstReport {
    version: String,
    kernel: Option<String>,
    boot_id: Option<String>,
    verdict: Verdict,
    complete: bool,
    duration_ms: f64,
    limit_ms: u64,
    problems: Vec<String>,
    rules: Vec<FirstRule>,
    vfio_pci: Option<FirstModule>,
    gpus: Vec<FirstGpu>,
    newest_function: Option<u64>,
}

#[derive(Deserialize)]
struct FirstRule {
    source: String,
    selector: String,
    gpus: Vec<DeviceAddress>,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct FirstModule {
    loaded: bool,
    disable_idle_d3: Option<bool>,
    duration_ms: f64,
    warning: Option<String>,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct FirstGpu {
    device: DeviceAddress,
    verdict: GpuVerdict,
    duration_ms: f64,
    problem: Option<String>,
    failure: Option<FirstFailure>,
    leftovers: Vec<String>,
    functions: Vec<FirstFunction>,
    #[serde(default)]
    peers: Vec<FirstPeer>,
    #[serde(default)]
    display: Vec<String>,
    quarantine: Option<QuarantineReport>,
    replaces: Option<String>,
}

#[derive(Deserialize)]
struct FirstFailure {
    function: Option<FunctionAddress>,
    kind: FailureKind,
}

#[derive(Deserialize)]
struct FirstFunction {
    address: FunctionAddress,
    identity: Identity,
    class: ClassCode,
    iommu_group: Option<String>,
    driver_before: Option<String>,
    driver: Option<String>,
    power: Option<PowerReading>,
    variant: Option<VariantReport>,
}

#[derive(Deserialize)]
struct FirstPeer {
    address: FunctionAddress,
    identity: Identity,
    class: ClassCode,
    driver: Option<String>,
    kept: Option<Kept>,
}

/// The finding for a sentence.
fn as_text(severity: Severity, subject: &Subject, text: String) -> Finding {
    const ID: Id = id::REPORT_IN_WORDS;
    let subject = subject.clone();
    let finding = match severity {
        Severity::Note => Finding::note(ID, subject),
        Severity::Warning => Finding::warning(ID, subject),
        Severity::Error => Finding::error(ID, subject),
        Severity::Refusal => Finding::refusal(ID, subject),
    };
    finding.with("text", text)
}

impl From<FirstReport> for Report {
    fn from(first: FirstReport) -> Self {
        let machine = Subject::machine();
        let problems = first.problems.into_iter();
        Self {
            schema: SCHEMA.to_owned(),
            version: first.version,
            kernel: first.kernel,
            boot_id: first.boot_id,
            verdict: first.verdict,
            complete: first.complete,
            duration_ms: first.duration_ms,
            limit_ms: first.limit_ms,
            problems: problems.map(|text| as_text(Severity::Error, &machine, text)).collect(),
            rules: first.rules.into_iter().map(RuleReport::from).collect(),
            vfio_pci: first.vfio_pci.map(ModuleReport::from),
            gpus: first.gpus.into_iter().map(GpuReport::from).collect(),
            newest_function: first.newest_function,
        }
    }
}

impl From<FirstRule> for RuleReport {
    fn from(first: FirstRule) -> Self {
        let subject = Subject::named(SubjectKind::Rule, first.selector.as_str());
        let in_file = |(path, line): (&str, &str)| {
            let path = path.to_owned();
            line.parse().ok().map(|line| Source::File { path, line })
        };
        Self {
            source: first
                .source
                .rsplit_once(':')
                .and_then(in_file)
                .unwrap_or(Source::CommandLine),
            selector: first.selector,
            gpus: first.gpus,
            problem: first.problem.map(|text| as_text(Severity::Error, &subject, text)),
        }
    }
}

impl From<FirstModule> for ModuleReport {
    fn from(first: FirstModule) -> Self {
        let subject = Subject::named(SubjectKind::Module, "vfio-pci");
        Self {
            loaded: first.loaded,
            disable_idle_d3: first.disable_idle_d3,
            duration_ms: first.duration_ms,
            warning: first.warning.map(|text| as_text(Severity::Warning, &subject, text)),
            problem: first.problem.map(|text| as_text(Severity::Error, &subject, text)),
        }
    }
}

impl From<FirstGpu> for GpuReport {
    fn from(first: FirstGpu) -> Self {
        let subject = Subject::gpu(first.device);
        let severity = match first.verdict {
            GpuVerdict::Refused => Severity::Refusal,
            _ => Severity::Error,
        };
        let left = |text| Leftover {
            operation: None,
            finding: as_text(Severity::Error, &subject, text),
        };
        Self {
            device: first.device,
            verdict: first.verdict,
            duration_ms: first.duration_ms,
            problem: first.problem.map(|text| as_text(severity, &subject, text)),
            failure: first.failure.map(|failure| FailureReport {
                function: failure.function,
                operation: None,
                kind: failure.kind,
            }),
            leftovers: first.leftovers.into_iter().map(left).collect(),
            functions: first.functions.into_iter().map(FunctionReport::from).collect(),
            peers: first.peers.into_iter().map(PeerReport::from).collect(),
            display: first
                .display
                .into_iter()
                .map(|text| as_text(Severity::Note, &subject, text))
                .collect(),
            quarantine: first.quarantine,
            // The sentence begins with the name of the GPU.
            replaces: first.replaces.map(|text| {
                let text = format!(
                    "{}: in the place of another, which is out of service: {text}",
                    first.device
                );
                as_text(Severity::Note, &subject, text)
            }),
            not_usable: None,
        }
    }
}

impl From<FirstFunction> for FunctionReport {
    fn from(first: FirstFunction) -> Self {
        Self {
            address: first.address,
            identity: first.identity,
            class: first.class,
            iommu_group: first.iommu_group,
            driver_before: first.driver_before,
            driver: first.driver,
            power: first.power,
            variant: first.variant,
        }
    }
}

impl From<FirstPeer> for PeerReport {
    fn from(first: FirstPeer) -> Self {
        Self {
            address: first.address,
            identity: first.identity,
            class: first.class,
            driver: first.driver,
            kept: first.kept,
            system: None,
        }
    }
}
