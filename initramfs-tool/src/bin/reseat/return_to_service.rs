//! `reseat return-to-service`.

use std::process::ExitCode;

use reseat::linux::{self, IsolationResult, Return, Returned, Root};
use reseat::model::finding::{Finding, Subject, id};
use reseat::recovery::ExitStatus;
use reseat_core::address::DeviceAddress;
use reseat_core::recovery::End;
use serde::Serialize;

use crate::gpu::GpuName;
use crate::quarantine::NEXT_BOOT;
use crate::reasons::Reasons;
use crate::recover::{Reporter, log};
use crate::words;

/// Arguments of `reseat return-to-service`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 in service again; 1 not begun, or reseat failed, or in service by force and without its \
                        driver; 2 wrong usage; 3 a reset was unverified; 4 refused; 5 still out of service; \
                        6 still out of service, and not out of reach. After 3 and 4 it is out of service as well."
)]
pub(crate) struct Arguments {
    /// The GPU, by its address: 0000:65:00 or one of its functions, 0000:65:00.0.
    gpu: GpuName,
    /// How many resets have to be verified.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    resets: u32,
    /// Reset nothing and verify nothing. The reason is kept.
    #[arg(long, requires = "reason", conflicts_with = "resets")]
    force: bool,
    /// Why it is to be forced.
    #[arg(long, value_name = "TEXT", requires = "force")]
    reason: Option<String>,
    /// Print JSON, one event of the resets a line.
    #[arg(long)]
    json: bool,
}

/// Takes a GPU back into service.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let GpuName(device) = arguments.gpu;
    let how = match &arguments.reason {
        Some(reason) => Return::Force(reason.clone()),
        None => Return::Resets(arguments.resets),
    };
    let root = Root::system();
    let contract = linux::contract(&root)?;
    let mut reporter = Reporter::new(arguments.json);
    let returned = linux::return_to_service(&root, device, &how, &contract, &mut |event| reporter.report(event));
    let status = match &returned {
        Ok(returned) => {
            reporter.add(&Ended::of(device, returned));
            report(device, &how, returned)
        }
        Err(_) => ExitStatus::Error,
    };
    reporter.finish();
    returned.map_err(|error| Reasons(error.findings()))?;
    Ok(ExitCode::from(status as u8))
}

/// The last line of the event stream.
#[derive(Serialize)]
struct Ended<'a> {
    event: &'static str,
    device: DeviceAddress,
    result: &'static str,
    /// Whether it is isolated; nothing where it is in service.
    isolated: Option<bool>,
    findings: Vec<&'a Finding>,
}

impl<'a> Ended<'a> {
    fn of(device: DeviceAddress, returned: &'a Returned) -> Self {
        let (result, isolation, mut findings) = match returned {
            Returned::Back => ("in-service", None, Vec::new()),
            Returned::BackWithoutDriver(findings) => ("in-service-without-driver", None, findings.iter().collect()),
            Returned::Unproven { isolation, .. } => ("unproven", Some(isolation), Vec::new()),
            Returned::NotHandedOver { findings, isolation } => {
                ("not-handed-over", Some(isolation), findings.iter().collect())
            }
        };
        if let Some(IsolationResult::Failed(more)) = isolation {
            findings.extend(more);
        }
        Self {
            event: "returned",
            device,
            result,
            isolated: isolation.map(|isolation| !matches!(isolation, IsolationResult::Failed(_))),
            findings,
        }
    }
}

fn report(device: DeviceAddress, how: &Return, returned: &Returned) -> ExitStatus {
    match returned {
        Returned::Back => {
            log_return(device, how);
            eprintln!("reseat: {device} is in service again; {NEXT_BOOT}");
            ExitStatus::Recovered
        }
        Returned::BackWithoutDriver(findings) => {
            log_return(device, how);
            eprintln!(
                "reseat: {device} is in service again by force, and its driver does not have it: {}",
                lines(findings)
            );
            ExitStatus::Error
        }
        Returned::Unproven { end, isolation } => {
            let text = end.map_or_else(|| "it could not be isolated".to_owned(), |end| end.to_string());
            still_out(device, &text, isolation);
            match (isolation, end) {
                (IsolationResult::Failed(_), _) => ExitStatus::NotQuarantined,
                (_, Some(End::Unverified { .. })) => ExitStatus::Unverified,
                (_, Some(End::Refused(_))) => ExitStatus::Refused,
                (_, None | Some(End::Recovered { .. } | End::OutOfService { .. })) => ExitStatus::OutOfService,
            }
        }
        Returned::NotHandedOver { findings, isolation } => {
            still_out(device, &lines(findings), isolation);
            match isolation {
                IsolationResult::Failed(_) => ExitStatus::NotQuarantined,
                IsolationResult::Done | IsolationResult::NotThere => ExitStatus::OutOfService,
            }
        }
    }
}

fn log_return(device: DeviceAddress, how: &Return) {
    let note = |id| Finding::note(id, Subject::gpu(device));
    log(&words::line(&match how {
        Return::Resets(resets) => note(id::RETURNED).with("resets", resets),
        Return::Force(reason) => note(id::RETURNED_BY_FORCE).with("reason", reason),
    }));
}

fn still_out(device: DeviceAddress, why: &str, isolation: &IsolationResult) {
    eprintln!("reseat: {device} is still out of service: {why}");
    if let IsolationResult::Failed(findings) = isolation {
        eprintln!("reseat: {device} is not out of reach: {}", lines(findings));
    }
}

/// Findings in one line.
fn lines(findings: &[Finding]) -> String {
    Reasons(findings.to_vec()).to_string()
}
